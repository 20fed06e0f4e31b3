// What the process of a request does to the pool, step by step, from its arrival to the end of what
// it asked for. Each step is part of one update. ARCHITECTURE.md draws the states; what other
// people do is in core/changes.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/circumstances.h"
#include "core/pool.h"

namespace chg {

/// Throws Error(Usage) with a hint when too few GPUs are left for the request without those that
/// can never be granted (Unavailability::Kind::Never).
void require_attainable(const Pool& pool, const Request& request);

/// A request joins the queue: at its end when it is new, else in its old place, which the store may
/// have lost. Fills in its times, its arrival, and what the policy says of a new one
/// (apply_limits). Only gives a sign of life when the pool has it already: the reply to an earlier
/// attempt may have been lost, or it was passed over. Throws as enqueue does, and for a new one as
/// apply_limits, require_visible and require_room do, and, of what is not to be inside a
/// reservation, require_attainable and require_gpu_limit.
void join(Pool& pool, Request& request, const Instant& now);

/// A request arrives, or comes again: it joins, and notes what was seen (note_sight).
/// Those that are gone do not count for the limits of a new one. Throws as join does.
void arrive(Pool& pool, Request& request, const Observation& seen, const Circumstances& given);

/// What a waiter does next.
enum class WaiterStep {
  Check,     ///< it was granted GPUs, and checks them
  Wait,      ///< until something happens
  Answer,    ///< it was passed over, and gives a sign of life
  ComeBack,  ///< the pool lacks its request
  Leave,     ///< it does not wait: it leaves the queue, to which its grant was returned
  GiveUp,    ///< it does not wait, and is in the queue no more
};
WaiterStep next_step(const Pool& pool, const std::string& id, bool nonblock);

/// A waiter brings the pool up to date for all, because a process or a time has ended or because it
/// has read the GPUs. `beats`: its heartbeat is due.
void maintain(Pool& pool, const std::string& id, bool beats, const Circumstances& given);

/// The waiter gives a sign of life: it is not passed over any more.
void beat(Pool& pool, const std::string& id, const Instant& now);

/// The waiter leaves the queue. False when the request does not wait: it may have been granted.
bool withdraw(Pool& pool, const std::string& id);

/// A request that does not wait for longer than this leaves the queue, unless it was just granted;
/// what was held for it goes to those behind it. Returns the ids that were granted thereby.
std::vector<std::string> leave_at_once(Pool& pool, const std::string& id,
                                       const Circumstances& given);

/// The waiter stops waiting. False when its request has been granted meanwhile, after all.
bool stop_waiting(Pool& pool, const std::string& id);

/// The waiter ends: whether its request waits or was granted, nothing is left of it.
void abandon(Pool& pool, const std::string& id);

/// The waiter finds its request in neither list: it joins again, unless somebody cancelled it.
/// Returns false in that case.
bool come_back(Pool& pool, Request& request, const Instant& now);

/// The waiter learns whether somebody cancelled its request; the pool then forgets that.
bool acknowledge_cancelled(Pool& pool, const std::string& id);

/// Request::visible of who has read the GPUs so.
std::optional<std::vector<int>> visible_gpus(const Pool& pool, const Observation& observation);

/// Notes in the request which GPUs are visible, and which ones it avoids. It may have been granted
/// some.
void note_sight(const Pool& pool, Request& request, const Observation& observation);

/// The waiter has read the GPUs again: note_sight of its request, if that waits.
void note_sight(Pool& pool, const std::string& id, const Observation& observation);

/// Whether the request may use the GPUs that it was granted, as this observation shows them. Those
/// inside a reservation it may.
bool is_usable(const Pool& pool, const Reservation& granted, const Request& request,
               const Observation& observation);

/// Undoes a grant that nobody has taken: the request waits again, in its old place, and no usage is
/// recorded.
void return_to_queue(Pool& pool, const Request& request);

/// The waiter has seen that it can't use the GPUs that it was granted: returns the request to the
/// queue, and notes what was seen, also in `request`. Does nothing when the grant is gone already.
void refuse_grant(Pool& pool, Request& request, const Observation& seen);

/// Undoes a grant that nobody has begun to use, and leaves no trace of it.
void discard(Pool& pool, const std::string& id);

/// The waiter has checked the GPUs and takes the manual reservation. It ends at `now` + `duration`,
/// and later by what it was extended since the grant. False when there is no such reservation any
/// more.
bool claim(Pool& pool, const std::string& id, Duration duration, const Instant& now);

/// Claims a manual reservation that was granted in the light of the given observation, where that
/// shows its GPUs to be free: they need no second look. Returns whether it was claimed.
bool claim_on_arrival(Pool& pool, const Request& request, const Circumstances& given);

/// A run takes its grant: from now on its supervisor answers for it.
void take(Reservation& run, const ProcessIdentity& supervisor);

/// A run may begin: it takes its grant. REQUIRES: the pool has it.
void begin_run(Pool& pool, const std::string& id, const ProcessIdentity& supervisor,
               const Instant& now);

/// A run's supervisor gives a sign of life.
void beat(Reservation& run, const Instant& now);

/// Its timeout strikes: its supervisor ends the job, whoever else was ending it.
void time_out(Reservation& run);

/// Ends a run: with the reason in `ending` if somebody was ending it, else as finished. REQUIRES:
/// the pool has it.
void end_run(Pool& pool, const std::string& id, const Instant& now);

}  // namespace chg
