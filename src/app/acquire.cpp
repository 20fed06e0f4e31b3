#include "app/acquire.h"

#include <algorithm>

#include "app/own_reservation.h"
#include "app/pool_update.h"
#include "base/error.h"
#include "base/poll.h"
#include "core/protocol.h"
#include "core/reap.h"
#include "core/recall.h"
#include "core/sight.h"
#include "process/identity.h"

namespace chg {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// How often a waiter reads changes that may not concern it, for what it tells its user. (Its grant
// wakes it at once.) Grows with the position, so that a long queue stays cheap.
Duration refresh_interval(int position) {
  return std::clamp<Duration>(position * milliseconds(50), milliseconds(250), seconds(3));
}

// How long until the next reading of GPUs whose use only a reading can show to be over. The first
// in line reads soon and then less and less often; waiters behind it wait longer.
Duration look_interval(int looks, int position) {
  const Duration base =
      std::min<Duration>(milliseconds(250) * (1 << std::min(looks, 6)), seconds(10));
  return base * std::min(position, 30);
}

class Waiter {
 public:
  Waiter(Context& context, std::optional<SignalWatch>& signals, Request request,
         const AcquireOptions& options, const WaitListener& listener)
      : context_(context),
        signals_(signals),
        request_(std::move(request)),
        options_(options),
        listener_(listener) {}

  Acquired acquire() {
    prepare();
    while (true) {
      try {
        if (!has_joined_) join();
        if (auto acquired = go_on()) return std::move(*acquired);
        is_troubled_ = false;
      } catch (const Error& error) {
        if (auto left = retry_later(error)) return *left;
      }
    }
  }

 private:
  // One step, from what the pool says of the request. Returns the outcome if there is one.
  std::optional<Acquired> go_on() {
    if (const Request* mine = find_request(pool_, request_.id)) request_ = *mine;
    switch (next_step(pool_, request_.id, options_.nonblock)) {
      case WaiterStep::Check:
        return verify(*find_reservation(pool_, request_.id));
      case WaiterStep::Wait:
        return wait();
      case WaiterStep::Answer:
        return answer();
      case WaiterStep::ComeBack:
        return requeue_lost();
      case WaiterStep::Leave:
        if (!leave()) return std::nullopt;
        [[fallthrough]];
      case WaiterStep::GiveUp:
        return NotGranted{NotGranted::Why::NotAvailable, decision_, 0};
    }
    return std::nullopt;
  }

  // The request is missing: somebody cancelled it, or else the store has lost it.
  std::optional<NotGranted> requeue_lost() {
    bool is_back = false;
    bool has_pool = false;
    pool_ = update_pool(context_, nullptr, [&](Pool& pool, const Circumstances& given) {
      has_pool = !pool.gpus.empty() && !is_of_another_host(pool);
      is_back = has_pool && chg::come_back(pool, request_, given.now);
    });
    if (!has_pool) throw lost_pool();
    if (!is_back) return NotGranted{NotGranted::Why::Cancelled, decision_, 0};
    is_fresh_ = false;
    decide();
    return std::nullopt;
  }

  // This process did not take its grant in time: it may have been stopped.
  std::optional<NotGranted> answer() {
    pool_ = update_pool(context_, nullptr, [&](Pool& pool, const Circumstances& given) {
      beat(pool, request_.id, given.now);
    });
    request_.passed_over = false;
    last_heartbeat_ = context_.now();
    is_fresh_ = false;
    decide();
    return std::nullopt;
  }

  // Waits a moment; acquire() then tries again. Rethrows an error that does not pass.
  std::optional<NotGranted> retry_later(const Error& error) {
    // Before it is queued a request fails at once, except for lock contention. In the queue any
    // transient error is waited out, so that it keeps its place.
    const bool may_pass = has_joined_ ? error.is_transient() : error.retry() == Retry::Busy;
    if (!may_pass || options_.nonblock || is_late(context_.now())) throw;
    listener_.troubled(error);
    is_troubled_ = true;
    granted_.reset();
    changes_.reset();
    context_.close_store();
    if (wait_ready({signals_->fd()}, seconds(1))[0]) {
      if (const auto signal = signals_->take()) return interrupted(*signal);
    }
    return std::nullopt;
  }

  bool is_late(const Instant& now) const {
    return options_.wait && age(began_, now) >= *options_.wait;
  }

  // Reads the GPUs first: a probe never runs while the pool is locked. A store that can't even be
  // read fails here at once, and is not retried: more often than not it is the wrong one.
  void prepare() {
    began_ = looked_at_ = context_.now();
    observation_ = context_.read_gpus();
    signals_.emplace();
    request_.waiter = self_identity();
    request_.groups = context_.limited_groups(context_.known_policy());
  }

  // May be called again: an attempt whose reply was lost may have been carried out.
  void join() {
    const bool looked = !is_troubled_ || look();
    const Observation* seen = looked ? &observation_ : nullptr;
    const bool is_new = request_.arrival == 0;
    Request joined;
    const auto arrive = [&](Pool& pool, const Circumstances& given) {
      require_this_host(context_, pool);
      note_this_host(pool);
      joined = request_;
      chg::arrive(pool, joined, observation_, given);
    };
    const auto take_grant = [&](Pool& pool, const Circumstances& given) {
      claim_on_arrival(pool, joined, given);
      if (options_.nonblock) leave_with_reason(pool, given);
      if (is_new && find_request(pool, joined.id) != nullptr) require_may_wait(pool, joined);
    };
    pool_ = update_pool(context_, seen, arrive, take_grant);
    request_ = std::move(joined);
    has_joined_ = true;
    // Granted on arrival, in the light of what was just seen.
    is_fresh_ = looked;
    last_heartbeat_ = context_.now();
    if (!options_.nonblock) decide();
  }

  // In the transaction of the grant: a request that doesn't wait delays nobody.
  void leave_with_reason(Pool& pool, const Circumstances& given) {
    decision_ = explain(pool, request_.id, given.now);
    leave_at_once(pool, request_.id, given);
  }

  void decide() { decision_ = explain(pool_, request_.id, context_.now()); }

  std::optional<Acquired> verify(const Reservation& reservation) {
    const bool is_covered = is_fresh_ && covers(observation_, pool_, reservation.gpus);
    const bool looked = is_covered || look();
    is_fresh_ = looked;
    if (looked && is_usable(pool_, reservation, request_, observation_)) {
      return Granted{reservation, observation_, pool_, request_};
    }
    // What cannot be read here is not granted here; others see for themselves.
    const Observation nothing{context_.now(), {}, {}, "", true};
    const Observation& seen = looked ? observation_ : nothing;
    pool_ = update_pool(context_, &seen, [&](Pool& pool, const Circumstances&) {
      refuse_grant(pool, request_, seen);
    });
    decide();
    return std::nullopt;
  }

  bool look() {
    ++looks_;
    looked_at_ = context_.now();
    try {
      observation_ = context_.read_gpus();
      return true;
    } catch (const Error&) {
      return false;
    }
  }

  // Leaves the queue. False when the request has been granted in the meantime, after all.
  bool leave() {
    bool left = true;
    pool_ = update_pool(context_, nullptr, [&](Pool& pool, const Circumstances&) {
      left = stop_waiting(pool, request_.id);
    });
    return left;
  }

  enum class Event { Signal, Grant, News, ProcessEnd };

  // What to wait for, and until when.
  struct Watches {
    std::vector<UniqueFd> processes;
    bool any_gone = false;    ///< one of those to watch has ended already
    bool needs_look = false;  ///< only a reading of the GPUs can bring this request further
    Duration timeout{};
  };

  // The first in line watches the processes that all wait for. Every other request watches the
  // waiter in front of it, so that the place of a killed first one is taken at once. Those that
  // were passed over don't count.
  std::vector<ProcessIdentity> processes_to_watch() const {
    for (int i = decision_->position - 2; i >= 0; --i) {
      const Request& in_front = pool_.queue[static_cast<std::size_t>(i)];
      if (!in_front.passed_over) return {in_front.waiter};
    }
    std::vector<ProcessIdentity> watched;
    for (const Reservation& reservation : pool_.reservations) {
      const auto keeping = deciding_processes(reservation, liveness);
      watched.insert(watched.end(), keeping.begin(), keeping.end());
    }
    return watched;
  }

  // Only a new reading can show that such a GPU is free again.
  bool is_blocked_by_what_was_seen() const {
    const auto& blockers = decision_->reason.blockers;
    return std::any_of(blockers.begin(), blockers.end(), [](const Blocker& blocker) {
      return blocker.kind == Blocker::Kind::UnreservedUse || blocker.kind == Blocker::Kind::Error ||
             blocker.kind == Blocker::Kind::Avoided;
    });
  }

  bool has_orphans() const {
    const Circumstances given = context_.circumstances();
    const auto& held = pool_.reservations;
    return std::any_of(held.begin(), held.end(), [&](const Reservation& one) {
      return awaits_observation(one, pool_.policy, given);
    });
  }

  // Without asking the system for each reservation at each turn.
  bool is_seen_from_here(const ProcessIdentity& process) const {
    return process.boot_id == request_.waiter.boot_id &&
           process.pid_namespace == request_.waiter.pid_namespace;
  }

  Watches prepare(const Instant& now) {
    Watches watches;
    for (const ProcessIdentity& process : processes_to_watch()) {
      if (!is_seen_from_here(process)) continue;
      watches.processes.push_back(watch(process));
      watches.any_gone = watches.any_gone || !watches.processes.back();
    }
    // Only the first four read the GPUs for orphans: one of them may be stopped, and a hundred
    // waiters need not all do it.
    watches.needs_look = is_blocked_by_what_was_seen() || !sees_enough(request_) ||
                         (decision_->position <= 4 && has_orphans());
    watches.timeout = time_until_due(now, watches.needs_look);
    return watches;
  }

  Duration time_until_due(const Instant& now, bool needs_look) const {
    const Policy& policy = pool_.policy;
    Duration due = policy.heartbeat_interval - age(last_heartbeat_, now);
    if (options_.wait) due = std::min(due, *options_.wait - age(began_, now));
    if (needs_look) due = std::min(due, look_due(now));
    // The waiter in front acts on an end first; the others follow later, should it fail.
    const Duration patience = (decision_->position - 1) * milliseconds(200);
    if (const auto left = time_to_end_of_recall(pool_, now)) due = std::min(due, *left + patience);
    for (const Reservation& reservation : pool_.reservations) {
      if (const auto left = time_to_pass_on(reservation, now))
        due = std::min(due, *left + patience);
      if (const auto left = time_to_end(reservation, now)) due = std::min(due, *left + patience);
    }
    return std::max<Duration>(due, milliseconds(1));
  }

  // How long until time alone may end the reservation; nullopt where something else has to happen.
  std::optional<Duration> time_to_end(const Reservation& reservation, const Instant& now) const {
    if (!blind_spot().empty()) return std::nullopt;
    const bool is_manual = reservation.kind == ReservationKind::Manual;
    const auto left = is_manual ? time_to_expiry(reservation, now) : std::nullopt;
    if (!reservation.holder || is_seen_from_here(*reservation.holder)) return left;
    const Liveness state = liveness(*reservation.holder);
    if (state != Liveness::Unseen && state != Liveness::OtherBoot) return left;
    const Duration silence =
        pool_.policy.heartbeat_timeout - time_since(reservation.last_heartbeat, now);
    return left ? std::min(*left, silence) : silence;
  }

  Duration look_due(const Instant& now) const {
    return look_interval(looks_, decision_->position) - age(looked_at_, now);
  }

  void tell(const Instant& now) {
    if (told_ && told_->position == decision_->position && told_->reason == decision_->reason &&
        told_->estimated_start == decision_->estimated_start) {
      return;
    }
    told_ = decision_;
    listener_.waits(*decision_, now);
  }

  // Waits for one thing to happen, and brings the pool up to date. Returns the outcome if it left.
  // Each subscription is made before the pool is read again, so that no change is missed between
  // the two; so is each watch of a process, whose end in between shows as any_gone.
  std::optional<NotGranted> wait() {
    if (!granted_) {
      granted_ = context_.store().subscribe_to(request_.id);
      return refresh();
    }
    const Instant now = context_.now();
    tell(now);
    const Watches watches = prepare(now);
    if (watches.any_gone) return maintain_pool(now, watches.needs_look);
    const Duration quiet = refresh_interval(decision_->position) - age(refreshed_, now);
    const bool hears_news = quiet <= Duration::zero();
    // Subscribed late: most waiters are granted first, and each subscriber costs every writer.
    if (hears_news && !changes_) {
      changes_ = context_.store().subscribe_to_changes();
      return refresh();
    }
    std::vector<std::pair<Event, int>> awaited = {{Event::Signal, signals_->fd()},
                                                  {Event::Grant, granted_->fd()}};
    if (hears_news) awaited.emplace_back(Event::News, changes_->fd());
    for (const UniqueFd& process : watches.processes) {
      awaited.emplace_back(Event::ProcessEnd, process.get());
    }
    const Duration timeout = hears_news ? watches.timeout : std::min(watches.timeout, quiet);
    const std::set<Event> met = wait_ready(awaited, timeout);
    if (met.contains(Event::Signal)) {
      if (const auto signal = signals_->take()) return interrupted(*signal);
    }
    if (met.contains(Event::Grant)) granted_->renew();
    if (met.contains(Event::News)) changes_->renew();
    if (met.contains(Event::Grant) || met.contains(Event::News)) return refresh();
    // Not where the wait was only for the pause between two pieces of news to pass.
    if (met.contains(Event::ProcessEnd) || timeout == watches.timeout) {
      return maintain_pool(context_.now(), watches.needs_look);
    }
    return std::nullopt;
  }

  std::optional<NotGranted> refresh() {
    refreshed_ = context_.now();
    pool_ = context_.store().read();
    is_fresh_ = false;
    decide();
    return std::nullopt;
  }

  std::optional<NotGranted> interrupted(int signal) {
    // It may be queued without knowing so: the others will find that its process is gone.
    if (!has_joined_) return NotGranted{NotGranted::Why::Interrupted, decision_, signal};
    try {
      update_pool(context_, nullptr,
                  [&](Pool& pool, const Circumstances&) { abandon(pool, request_.id); });
    } catch (const Error&) {
      // The others will find that this process is gone.
    }
    return NotGranted{NotGranted::Why::Interrupted, decision_, signal};
  }

  // A process or a time has ended: updates the pool, for all waiters. Leaves when --wait is over.
  std::optional<NotGranted> maintain_pool(const Instant& now, bool needs_look) {
    if (is_late(now)) {
      if (leave()) return NotGranted{NotGranted::Why::WaitedTooLong, decision_, 0};
      return std::nullopt;
    }
    const bool looked = needs_look && look_due(now) <= Duration::zero() && look();
    const Observation* seen = looked ? &observation_ : nullptr;
    const bool beats = age(last_heartbeat_, now) >= pool_.policy.heartbeat_interval;
    pool_ = update_pool(context_, seen, [&](Pool& pool, const Circumstances& given) {
      maintain(pool, request_.id, beats, given);
    });
    if (beats) last_heartbeat_ = now;
    is_fresh_ = looked;
    decide();
    return std::nullopt;
  }

  Context& context_;
  std::optional<SignalWatch>& signals_;
  Request request_;
  const AcquireOptions& options_;
  const WaitListener& listener_;

  Instant began_;
  bool has_joined_ = false;
  Pool pool_;                ///< as last written or read
  Observation observation_;  ///< as last seen
  bool is_fresh_ = false;    ///< pool_ was written in the light of observation_
  int looks_ = 0;
  Instant looked_at_;                 ///< when it last tried to look
  std::optional<Decision> decision_;  ///< of pool_; missing when granted
  std::optional<Decision> told_;
  bool is_troubled_ = false;  ///< the store failed, and has not worked since
  Instant refreshed_;
  Instant last_heartbeat_;
  std::unique_ptr<Subscription> granted_;
  std::unique_ptr<Subscription> changes_;
};

}  // namespace

Acquired acquire(Context& context, std::optional<SignalWatch>& signals, Request request,
                 const AcquireOptions& options, const WaitListener& listener) {
  return Waiter(context, signals, std::move(request), options, listener).acquire();
}

}  // namespace chg
