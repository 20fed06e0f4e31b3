#include "app/store_copy.h"

#include <algorithm>

#include <fmt/format.h>

#include "app/new_store.h"
#include "base/error.h"
#include "base/text.h"
#include "core/gpu_ids.h"
#include "core/reap.h"
#include "process/identity.h"

namespace chg {
namespace {

// Small enough for one command of a Redis, whose Lua passes on 8000 words at most.
constexpr std::size_t kEventsAtOnce = 1000;
// How often a copy follows a pool that changes meanwhile.
constexpr int kAttempts = 5;

std::string shown(const Context& context) { return context.options().store_path; }

// One event after another.
class Events {
 public:
  explicit Events(Store& store) : reader_(store.read_events({})) {}

  // Valid until the next call; nullptr at the end.
  const Event* next() {
    if (place_ == batch_.size()) {
      batch_ = reader_->next();
      place_ = 0;
    }
    return batch_.empty() ? nullptr : &batch_[place_++];
  }

 private:
  std::unique_ptr<EventReader> reader_;
  std::vector<Event> batch_;
  std::size_t place_ = 0;
};

enum class Same { Yes, Shorter, No };

// Whether `part` holds the events of `whole`, or those that it begins with. Leaves `whole` at the
// first that `part` lacks.
Same compare(Events& whole, const Event** lacks, Store& part, std::size_t& count) {
  Events copied(part);
  for (count = 0;; ++count) {
    const Event* mine = copied.next();
    *lacks = whole.next();
    if (mine == nullptr) return *lacks == nullptr ? Same::Yes : Same::Shorter;
    if (*lacks == nullptr || !(*mine == **lacks)) return Same::No;
  }
}

void append(Store& store, std::vector<Event>& events) {
  store.update([&](Pool& pool) { pool.events = events; });
  events.clear();
}

bool has_no_pool(const Pool& pool) {
  return pool.gpus.empty() && pool.queue.empty() && pool.reservations.empty();
}

class Copier {
 public:
  Copier(Context& from, Context& to) : from_(from), to_(to) {}

  StoreCopy copy() {
    pool_ = source();
    prepare_target();
    try {
      if (!append_missing()) {
        throw Error(ErrorKind::Failed, fmt::format("'{}' has a history of its own", shown(to_)),
                    "name an empty store");
      }
      follow();
      write_pool();
    } catch (const Error&) {
      if (target_is_ours_) empty_target();
      throw;
    }
    to_.store().make_whole();
    return result_;
  }

 private:
  // The pool to copy, if it may be.
  Pool source() {
    if (!store_exists(from_)) {
      throw Error(ErrorKind::Failed, fmt::format("there is no store '{}' to copy", shown(from_)),
                  "see which is in use: canhazgpu config");
    }
    Pool pool = from_.store().read();
    if (pool.gpus.empty()) {
      throw Error(ErrorKind::Failed, fmt::format("there is no pool in '{}' to copy", shown(from_)),
                  "see which store is in use: canhazgpu config");
    }
    require_owner(pool, from_.caller_in(pool));
    result_.live_runs = 0;
    for (const Reservation& reservation : pool.reservations) require_movable(pool, reservation);
    result_.waiting = static_cast<int>(pool.queue.size());
    pool.queue.clear();
    pool.cancelled.clear();
    return pool;
  }

  void require_movable(const Pool& pool, const Reservation& reservation) {
    if (reservation.kind == ReservationKind::Manual && !reservation.holder) return;
    const bool is_over =
        reservation.holder && is_gone(*reservation.holder, reservation.last_heartbeat, pool.policy,
                                      from_.circumstances());
    if (is_over) return;
    const Liveness state = reservation.holder ? liveness(*reservation.holder) : Liveness::Unseen;
    const std::string gpus = to_gpu_names(reservation.gpus);
    const std::string name = printable(reservation.account.name, 60);
    if (reservation.kind == ReservationKind::Manual) {
      throw Error(ErrorKind::Failed, fmt::format("'{}' is about to reserve {}", name, gpus),
                  "try it again");
    }
    if (state != Liveness::Alive && state != Liveness::Stopped) {
      throw Error(ErrorKind::Failed,
                  fmt::format("the run of '{}' on {} cannot be seen from here: it lives by "
                              "heartbeats, which go only to '{}'",
                              name, gpus, shown(from_)),
                  "wait until it is over, or end it first");
    }
    ++result_.live_runs;
  }

  void prepare_target() {
    const auto create = [&](const std::optional<Sharing>& sharing) {
      return to_.world().create_store(to_.store_address(), sharing);
    };
    const Pool present = store_exists(to_) ? create(std::nullopt)->read() : Pool{};
    if (!has_no_pool(present)) {
      throw Error(ErrorKind::Failed, fmt::format("there is a pool in '{}' already", shown(to_)),
                  "name an empty store: nothing is ever copied over a pool");
    }
    // What the pool's admin group may do ends where another file begins.
    require_may_create(to_, to_.caller());
    if (!store_exists(to_)) create(sharing_of_new(to_));
    make_state_directory(to_);
    if (pool_.provider == "fake") {
      to_.world().create_fake_gpus(to_.fake_file(), static_cast<int>(pool_.gpus.size()));
    }
  }

  // False when what is there is not what the history begins with.
  bool append_missing() {
    Events events(from_.store());
    const Event* event = nullptr;
    const Same same = compare(events, &event, to_.store(), result_.events);
    if (same == Same::No) return false;
    // Empty, or what an interrupted copy has left; other people's is not ours to remove.
    target_is_ours_ = true;
    std::vector<Event> batch;
    for (; event != nullptr; event = events.next()) {
      batch.push_back(*event);
      ++result_.events;
      if (batch.size() == kEventsAtOnce) append(to_.store(), batch);
    }
    if (!batch.empty()) append(to_.store(), batch);
    return true;
  }

  // Until the copied history is that of the pool which was read before it was compared.
  void follow() {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      pool_ = source();
      Events events(from_.store());
      const Event* lacks = nullptr;
      std::size_t count = 0;
      const Same same = compare(events, &lacks, to_.store(), count);
      if (same == Same::Yes) return;
      if (same == Same::No || !append_missing()) {
        throw Error(ErrorKind::Failed,
                    fmt::format("event {} differs in '{}'", count + 1, shown(to_)),
                    "the copy was taken away again; is one of the disks full or damaged?");
      }
    }
    throw Error(ErrorKind::Failed, fmt::format("'{}' changes all the time", shown(from_)),
                "let nobody use it for a moment, and copy it again");
  }

  void write_pool() {
    to_.store().update([&](Pool& pool) {
      if (!pool.gpus.empty()) {
        throw Error(ErrorKind::Failed,
                    fmt::format("somebody has set a pool up in '{}'", shown(to_)),
                    "the pool was not copied over it; its history has the copied events");
      }
      pool = pool_;
      is_written_ = true;
    });
    result_.pool = to_.store().read();
    if (result_.pool == pool_) return;
    throw Error(ErrorKind::Failed, fmt::format("the pool differs in '{}'", shown(to_)),
                "it stays there, since somebody may use it already");
  }

  // Leaves a pool that somebody else has set up or uses, with its history. Best effort: the first
  // error is the one to tell.
  void empty_target() noexcept {
    try {
      bool is_empty = false;
      to_.store().update([&](Pool& pool) {
        if (is_written_ && pool == pool_) pool = Pool{};
        is_empty = has_no_pool(pool);
      });
      if (is_empty) to_.store().forget_events(WallTime::max());
    } catch (const std::exception&) {
    }
  }

  Context& from_;
  Context& to_;
  Pool pool_;
  StoreCopy result_;
  bool target_is_ours_ = false;
  bool is_written_ = false;
};

}  // namespace

StoreCopy copy_store(Context& from, Context& to) { return Copier(from, to).copy(); }

}  // namespace chg
