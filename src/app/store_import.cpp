#include "app/store_import.h"

#include <algorithm>
#include <set>
#include <tuple>

#include <fmt/format.h>
#include <sys/stat.h>

#include "app/new_store.h"
#include "app/pool_update.h"
#include "base/accounts.h"
#include "base/error.h"
#include "base/file_text.h"
#include "base/shell_word.h"
#include "base/text.h"
#include "core/gpu_ids.h"
#include "process/identity.h"
#include "process/process_list.h"
#include "store/import/go_redis.h"
#include "store/import/go_supervisor.h"

namespace chg {
namespace {

// Small enough for one command of a Redis.
constexpr std::size_t kImportedAtOnce = 1000;
// Reading the command lines of thousands of processes takes a tenth of a second.
constexpr std::chrono::seconds kProcessesTimeout(2);
// Whoever is on this host or near answers much sooner; nobody should notice the question.
constexpr std::chrono::milliseconds kGlancePatience(300);

std::vector<std::string> words_of_process(int pid) {
  std::vector<std::string> words;
  const std::string text = read_file(fmt::format("/proc/{}/cmdline", pid)).value_or("");
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\0', begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

struct LiveSupervisor {
  GoSupervisor told;
  std::uint32_t uid = 0;  ///< whose process it is
};

std::vector<LiveSupervisor> live_supervisors() {
  const auto is_one = [](int pid) { return read_go_supervisor(words_of_process(pid)).has_value(); };
  std::vector<LiveSupervisor> found;
  for (const int pid : pids_where(all_pids(), is_one, kProcessesTimeout)) {
    const auto told = read_go_supervisor(words_of_process(pid));
    struct stat process {};
    if (!told || stat(fmt::format("/proc/{}", pid).c_str(), &process) != 0) continue;
    found.push_back({*told, process.st_uid});
  }
  return found;
}

// Whether that process speaks for the run: anybody may give a process of his such a command line.
bool speaks_for(const LiveSupervisor& one, const Reservation& run) {
  const bool is_user = one.told.user == run.account.name || one.told.user == run.label;
  return is_user && (one.uid == 0 || one.uid == run.account.uid || run.account.uid == kUnknownUid);
}

std::vector<int> gpus_of_both(const std::vector<int>& a, const std::vector<int>& b) {
  std::vector<int> both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  return both;
}

using OnGpu = std::pair<std::string, int>;  ///< a reservation's id, and one of its GPUs

// The history of a store, as far as it tells what is there already.
struct Known {
  std::set<std::tuple<std::string, int, WallTime>> records;
  std::set<OnGpu> ended;
};

Known known_in(Store& store) {
  Known known;
  const auto ends = store.read_events({.only_ends = true});
  for (auto part = ends->next(); !part.empty(); part = ends->next()) {
    for (const UsageRecord& record : usage_of(part)) {
      known.records.emplace(record.reservation_id, record.gpu, record.ended);
      known.ended.emplace(record.reservation_id, record.gpu);
    }
  }
  return known;
}

class Importer {
 public:
  Importer(Context& to, const RedisAddress& from) : to_(to), from_(from) {}

  StoreImport import() {
    const GoPool found = read_go_pool(from_.read(), uid_of_account);
    require_importable(found.pool);
    make_target();
    // Most of it, while nobody is kept waiting.
    append_history(found.history, known_in(to_.store()));
    from_.lock();
    try {
      take_over();
    } catch (...) {
      unlock();
      throw;
    }
    unlock();
    to_.store().make_whole();
    return std::move(result_);
  }

 private:
  std::string shown_target() const { return to_.options().store_path; }

  void require_importable(const Pool& found) {
    require_this_host_of(found);
    if (store_exists(to_)) {
      before_ = to_.world().create_store(to_.store_address(), std::nullopt)->read();
    }
    const Caller caller = to_.caller_in(before_);
    if (!before_.gpus.empty()) {
      require_owner(before_, caller);
    } else if (to_.store_is_file() && caller.uid_here != 0) {
      throw Error(ErrorKind::NotPermitted,
                  fmt::format("'{}' would be your own, and others would be left without a pool",
                              shown_target()),
                  "run it with sudo");
    }
    require_this_host(to_, before_);
    is_imported_again_ = from_.imported_to() == to_.options().store_path;
    const bool is_used = !before_.reservations.empty() || !before_.queue.empty();
    if (!is_used || is_imported_again_) return;
    throw Error(ErrorKind::Failed,
                fmt::format("somebody has reserved GPUs in '{}' already", shown_target()),
                "import into an empty pool: wait until all is given back, or name another --store");
  }

  void require_this_host_of(const Pool& found) const {
    if (!is_of_another_host(found)) return;
    throw Error(ErrorKind::Failed,
                fmt::format("the pool in '{}' is of host '{}', and this is host '{}'",
                            from_.location(), printable(found.host.name, 60), this_host().name),
                "import it on its own host, where its runs are");
  }

  void make_target() {
    if (!store_exists(to_)) {
      to_.world().create_store(to_.store_address(), sharing_of_new(to_));
    }
    make_state_directory(to_);
  }

  // What is read under the lock is what will be: nobody reserves there after it.
  void take_over() {
    GoPool found = read_go_pool(from_.read(), uid_of_account);
    const Known known = known_in(to_.store());
    append_history(found.history, known);
    from_.note(to_.options().store_path);
    if (before_.gpus.empty()) look_at(found.pool);
    found_runs_ = take_live(found.runs);
    result_.pool = update_pool(to_, nullptr, [&](Pool& pool, const Circumstances& here) {
      // It may be called again, with the pool of then.
      result_.taken.clear();
      result_.known.clear();
      result_.not_taken = dead_runs_;
      const Account actor = to_.caller_in(pool).account;
      const bool is_first = pool.gpus.empty() || !is_imported_again_;
      write_gpus(pool, found.pool);
      if (is_first) {
        add_event(pool, EventKind::SetUp, actor).detail = "imported from " + from_.location();
      }
      for (const Reservation& reservation : found.pool.reservations)
        add(pool, actor, reservation, known, here.now);
      for (const Reservation& reservation : found_runs_)
        add(pool, actor, reservation, known, here.now);
      std::sort(pool.reservations.begin(), pool.reservations.end(), starts_before);
    });
    from_.mark();
    result_.from = from_.location();
    result_.waiting = std::move(found.waiting);
    result_.unread = std::move(found.unread);
  }

  // A record that ends a reservation which was taken over, and so has its record here, is that of
  // the same use: its supervisor told the old pool of the end, too.
  void append_history(const std::vector<UsageRecord>& history, const Known& known) {
    std::set<std::tuple<std::string, int, WallTime>> imported;
    for (const UsageRecord& record : history) {
      imported.emplace(record.reservation_id, record.gpu, record.ended);
    }
    std::set<OnGpu> ended_here;
    for (const auto& [id, gpu, ended] : known.records) {
      if (imported.contains({id, gpu, ended})) continue;
      ended_here.emplace(id, gpu);
      // A part of a run that take_live has split.
      ended_here.emplace(id.substr(0, id.rfind('-')), gpu);
    }
    std::vector<Event> batch;
    for (const UsageRecord& record : history) {
      const bool is_known =
          known.records.contains({record.reservation_id, record.gpu, record.ended}) ||
          ended_here.contains({record.reservation_id, record.gpu});
      if (is_known) continue;
      ++result_.records;
      batch.push_back(ended_event(record));
      if (batch.size() == kImportedAtOnce) append(batch);
    }
    if (!batch.empty()) append(batch);
    result_.records_known = history.size() - result_.records;
  }

  void append(std::vector<Event>& events) {
    to_.store().update([&](Pool& pool) { pool.events = events; });
    events.clear();
  }

  // The Go program knows GPUs by their indices; here they are their UUIDs.
  void look_at(Pool& pool) {
    if (pool.provider == "fake") {
      to_.world().create_fake_gpus(to_.fake_file(), static_cast<int>(pool.gpus.size()));
    }
    try {
      for (const GpuReading& reading : to_.read_gpus(pool).gpus) {
        Gpu* gpu = find_gpu(pool, reading.index);
        if (gpu == nullptr || !gpu->uuid.empty()) continue;
        gpu->uuid = reading.uuid;
        gpu->model = reading.model;
      }
    } catch (const Error& error) {
      result_.look_failure = error.what();
    }
  }

  // The runs of the Go program whose commands live; one for each of its supervisors.
  std::vector<Reservation> take_live(const std::vector<Reservation>& runs) {
    std::vector<Reservation> live;
    if (runs.empty()) return live;
    const std::vector<LiveSupervisor> supervisors = live_supervisors();
    for (const Reservation& run : runs) {
      std::vector<int> rest = run.gpus;
      for (const LiveSupervisor& one : supervisors) {
        const auto command = identity_of(one.told.pid);
        const std::vector<int> gpus = gpus_of_both(rest, one.told.gpus);
        if (gpus.empty() || !speaks_for(one, run) || !command ||
            liveness(*command) == Liveness::Gone) {
          continue;
        }
        Reservation reservation = run;
        if (gpus != run.gpus) reservation.id += fmt::format("-{}", gpus.front());
        reservation.gpus = gpus;
        reservation.holder = command;
        live.push_back(std::move(reservation));
        std::erase_if(rest,
                      [&](int gpu) { return std::binary_search(gpus.begin(), gpus.end(), gpu); });
      }
      if (rest.empty()) continue;
      Reservation dead = run;
      dead.gpus = rest;
      dead_runs_.push_back({std::move(dead), "no process of it lives on this host"});
    }
    return live;
  }

  void write_gpus(Pool& pool, const Pool& found) const {
    note_this_host(pool);
    if (pool.gpus.empty()) {
      const bool is_ours = found.host != HostIdentity{};  // of 0.1.0
      pool.creator_uid = is_ours ? found.creator_uid : to_.caller().account.uid;
      pool.admin_group = found.admin_group;
      pool.provider = found.provider;
      pool.gpus = found.gpus;
      return;
    }
    for (Gpu& gpu : pool.gpus) {
      const Gpu* same = find_gpu(found, gpu.index);
      if (same == nullptr) continue;
      if (!gpu.last_released) gpu.last_released = same->last_released;
      if (!gpu.out_of_service) gpu.out_of_service = same->out_of_service;
    }
  }

  void add(Pool& pool, const Account& actor, const Reservation& reservation, const Known& known,
           const Instant& now) {
    const bool has_ended =
        std::any_of(reservation.gpus.begin(), reservation.gpus.end(), [&](int gpu) {
          return known.ended.contains({reservation.id, gpu});
        });
    if (has_ended || find_reservation(pool, reservation.id) != nullptr) {
      result_.known.push_back(reservation);
    } else if (std::string why = unavailable(pool, reservation, now); !why.empty()) {
      result_.not_taken.push_back({reservation, std::move(why)});
    } else {
      pool.reservations.push_back(reservation);
      add_event(pool, EventKind::Restored, reservation, actor).detail = "imported";
      for (const int gpu : reservation.gpus) find_gpu(pool, gpu)->unavailable.reset();
      result_.taken.push_back(reservation);
    }
  }

  // Why it can't be in the pool; "" when it can.
  static std::string unavailable(const Pool& pool, const Reservation& reservation,
                                 const Instant& now) {
    if (reservation.ends && *reservation.ends <= now.wall) return "its time is over";
    if (reservation.holder) {
      const Liveness state = liveness(*reservation.holder);
      if (state == Liveness::Gone) return "its command has ended";
      if (state != Liveness::Alive && state != Liveness::Stopped) {
        return "its command can't be seen from here, as in a container";
      }
    } else if (reservation.kind == ReservationKind::Run) {
      return "no process of it is known";
    }
    for (const int gpu : reservation.gpus) {
      if (find_gpu(pool, gpu) == nullptr) return fmt::format("the pool here has no GPU {}", gpu);
      if (const Reservation* other = reservation_of(pool, gpu)) {
        return fmt::format("GPU {} is reserved here by {}", gpu,
                           printable(display_name(other->account, other->label), 60));
      }
    }
    return "";
  }

  // Best effort: the lock expires.
  void unlock() noexcept {
    try {
      from_.unlock();
    } catch (const std::exception&) {
    }
  }

  Context& to_;
  GoRedis from_;
  Pool before_;                     ///< what is here, before anything is changed
  bool is_imported_again_ = false;  ///< an import before this has noted where to
  std::vector<Reservation> found_runs_;
  std::vector<NotTaken> dead_runs_;
  StoreImport result_;
};

}  // namespace

StoreImport import_store(Context& to, const RedisAddress& from) {
  return Importer(to, from).import();
}

std::optional<Error> missed_import(Context& context, const RedisAddress& at) {
  try {
    if (store_exists(context) && !context.store().read().gpus.empty()) return std::nullopt;
    GoRedis redis(at, kGlancePatience);
    const std::string location = redis.location();
    if (redis.has_pool()) {
      return Error(
          ErrorKind::Failed,
          fmt::format("the pool of this host is in {}, in the format of the Go program", location),
          fmt::format("take it over with: sudo canhazgpu store import {}", shell_word(location)));
    }
    if (const auto store = redis.imported_to()) {
      return Error(ErrorKind::Failed,
                   fmt::format("the pool of this host has moved from {} to '{}'", location, *store),
                   "name that as 'store' in /etc/canhazgpu/config.yaml, or with --store");
    }
  } catch (const Error&) {
    // Nobody is there, or it is no business of ours: what is wrong here is told already.
  }
  return std::nullopt;
}

}  // namespace chg
