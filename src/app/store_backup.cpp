#include "app/store_backup.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/new_store.h"
#include "app/pool_changes.h"
#include "app/pool_update.h"
#include "base/error.h"
#include "base/random_id.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "core/changes.h"
#include "core/gpu_ids.h"
#include "core/restore.h"
#include "process/identity.h"
#include "store/records.h"

namespace chg {
namespace {

// Small enough for one command of a Redis.
constexpr std::size_t kRestoredAtOnce = 1000;

// The history without the ends of what is reserved in the pool: those that were written after it
// was read.
class EventsUntil final : public EventReader {
 public:
  EventsUntil(std::unique_ptr<EventReader> reader, const Pool& pool)
      : reader_(std::move(reader)), pool_(pool) {}

  std::vector<Event> next() override {
    while (true) {
      std::vector<Event> events = reader_->next();
      if (events.empty()) return events;
      std::erase_if(events, [&](const Event& event) { return ends_later(event); });
      count_ += usage_of(events).size();
      if (!events.empty()) return events;
    }
  }

  EventPosition position() const override { return reader_->position(); }

  std::size_t count() const { return count_; }

 private:
  bool ends_later(const Event& event) const {
    const Reservation* found = find_reservation(pool_, event.id);
    if (event.kind != EventKind::Ended || found == nullptr) return false;
    return event.started == found->started.wall &&
           std::includes(found->gpus.begin(), found->gpus.end(), event.gpus.begin(),
                         event.gpus.end());
  }

  std::unique_ptr<EventReader> reader_;
  const Pool& pool_;
  std::size_t count_ = 0;
};

// Removes the file at its end, if it still has that name.
struct Unfinished {
  std::string path;
  ~Unfinished() { ::unlink(path.c_str()); }
};

void refuse_present(const std::string& file) {
  throw Error(ErrorKind::Failed, fmt::format("'{}' exists already", file),
              "name another file, or add --force");
}

void put_in_place(const std::string& unfinished, const std::string& file, bool overwrite) {
  const int flags = overwrite ? 0 : RENAME_NOREPLACE;
  if (::renameat2(AT_FDCWD, unfinished.c_str(), AT_FDCWD, file.c_str(),
                  static_cast<unsigned>(flags)) != 0) {
    if (errno == EEXIST) refuse_present(file);
    throw_errno(fmt::format("cannot make '{}'", file));
  }
  const std::string folder = std::filesystem::absolute(file).parent_path();
  const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || fsync(fd.get()) != 0) throw_errno(fmt::format("cannot sync '{}'", folder));
}

// What tells one use of a GPU from another.
using Use = std::tuple<std::string, int, WallTime>;

Use use_of(const UsageRecord& record) {
  return {record.reservation_id, record.gpu, record.started};
}

// What tells one event from another.
std::string text_of(const Event& event) { return records::write(event); }

class Restorer {
 public:
  Restorer(Context& context, const std::string& file)
      : context_(context), file_(file), backup_(context.world().open_backup(file)) {}

  StoreRestore restore_all() {
    saved_ = backup_->read();
    if (saved_.gpus.empty()) {
      throw Error(ErrorKind::Failed, fmt::format("there is no pool in '{}'", file_),
                  "name a file that 'canhazgpu store backup' has made");
    }
    if (is_of_another_host(saved_)) {
      throw Error(ErrorKind::Failed,
                  fmt::format("the backup '{}' is of host '{}', and this is host '{}'", file_,
                              printable(saved_.host.name, 60), this_host().name),
                  "restore it there; another host's pool is set up with: canhazgpu admin");
    }
    prepare_store();
    append_history();
    result_.pool = update_pool(context_, nullptr, [&](Pool& pool, const Circumstances& given) {
      require_restorable(pool);
      put_back(pool, given);
    });
    context_.store().make_whole();
    return result_;
  }

 private:
  void prepare_store() {
    if (store_exists(context_)) {
      const Pool present = context_.store().read();
      require_restorable(present);
      if (!present.gpus.empty()) return;
    } else {
      require_may_create(context_, context_.caller());
      context_.world().create_store(context_.store_address(), sharing_of_new(context_));
    }
    make_state_directory(context_);
    if (saved_.provider == "fake") {
      context_.world().create_fake_gpus(context_.fake_file(), static_cast<int>(saved_.gpus.size()));
    }
  }

  void require_restorable(const Pool& pool) const {
    const Caller caller = context_.caller_in(pool);
    pool.gpus.empty() ? require_may_create(context_, caller) : require_owner(pool, caller);
    require_this_host(context_, pool);
    for (const Reservation& reservation : pool.reservations) {
      if (find_reservation(saved_, reservation.id) != nullptr) continue;
      throw Error(ErrorKind::Failed,
                  fmt::format("{} reserved by '{}', of which the backup does not know",
                              to_gpu_names(reservation.gpus) +
                                  (reservation.gpus.size() == 1 ? " is" : " are"),
                              printable(reservation.account.name, 60)),
                  "nothing was changed; wait until it is given back, or end it first");
    }
  }

  void note_events(EventReader& present) {
    for (auto batch = present.next(); !batch.empty(); batch = present.next()) {
      for (const Event& event : batch) {
        events_.insert(text_of(event));
        for (const UsageRecord& record : usage_of(event)) ends_.insert(use_of(record));
      }
    }
  }

  void append_history() {
    // The pool first: what has ended before it was read has its event.
    for (const Reservation& present : context_.store().read().reservations) {
      present_.insert(present.id);
    }
    note_events(*context_.store().read_events({}));
    std::vector<Event> missing;
    const auto append = [&] {
      context_.store().update([&](Pool& pool) { pool.events = missing; });
      result_.records += usage_of(missing).size();
      missing.clear();
    };
    const auto saved = backup_->read_events({});
    for (auto batch = saved->next(); !batch.empty(); batch = saved->next()) {
      for (const Event& event : batch) {
        if (events_.contains(text_of(event))) continue;
        missing.push_back(event);
        if (missing.size() == kRestoredAtOnce) append();
      }
    }
    if (!missing.empty()) append();
  }

  // What has ended since, by the store's own history or before our eyes, or can't go on.
  bool is_over(const Reservation& reservation, const Circumstances& given) const {
    const bool has_record =
        std::any_of(reservation.gpus.begin(), reservation.gpus.end(), [&](int gpu) {
          return ends_.contains({reservation.id, gpu, reservation.started.wall});
        });
    const bool is_gone = reservation.holder && liveness(*reservation.holder) == Liveness::Gone;
    const bool has_expired = reservation.ends && *reservation.ends <= given.now.wall;
    return has_record || present_.contains(reservation.id) || is_gone || has_expired;
  }

  // Events of the GPUs that go out of service, or come back into it.
  static void note_service(const Pool& before, Pool& pool, const Caller& caller) {
    for (const Gpu& gpu : pool.gpus) {
      const Gpu* known = find_gpu(before, gpu.index);
      if (gpu.out_of_service == (known != nullptr ? known->out_of_service : std::nullopt)) continue;
      set_service(pool, caller, {gpu.index}, gpu.out_of_service);
    }
  }

  void put_back(Pool& pool, const Circumstances& given) {
    result_.reservations = 0;
    const Pool before = pool;
    const Caller caller = context_.caller_in(before);
    require_grantable(pool, saved_.gpus.size(), "cancel it (canhazgpu queue), and restore then");
    pool.gpus = saved_.gpus;
    pool.provider = saved_.provider;
    pool.admin_group = saved_.admin_group;
    pool.creator_uid = saved_.creator_uid;
    pool.policy = saved_.policy;
    pool.absent_drains = saved_.absent_drains;
    pool.next_arrival = std::max(pool.next_arrival, saved_.next_arrival);
    note_this_host(pool);
    note_changes(before, pool, caller);
    note_service(before, pool, caller);
    for (const Reservation& reservation : saved_.reservations) {
      if (find_reservation(before, reservation.id) != nullptr) continue;
      if (is_over(reservation, given)) continue;
      restore(pool, reservation);
      ++result_.reservations;
    }
  }

  Context& context_;
  const std::string& file_;
  std::unique_ptr<Store> backup_;
  Pool saved_;
  // Of the store, before anything was appended.
  std::set<std::string> events_;
  std::set<Use> ends_;
  std::set<std::string> present_;  ///< ids of reservations
  StoreRestore result_;
};

}  // namespace

StoreBackup back_up_store(Context& context, const std::string& file, bool overwrite) {
  if (!overwrite && ::access(file.c_str(), F_OK) == 0) refuse_present(file);
  StoreBackup result;
  // First the pool: what ends after it has a usage record that can be told.
  result.pool = context.store().read();
  require_pool(result.pool);
  EventsUntil events(context.store().read_events({}), result.pool);
  const Unfinished unfinished{fmt::format("{}.{}.new", file, random_id())};
  context.world().write_backup(unfinished.path, result.pool, events);
  result.records = events.count();
  put_in_place(unfinished.path, file, overwrite);
  return result;
}

StoreRestore restore_store(Context& context, const std::string& file) {
  return Restorer(context, file).restore_all();
}

}  // namespace chg
