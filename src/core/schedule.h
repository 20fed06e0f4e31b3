// Who gets which GPUs now, and why the others wait. Rules 1-7 and 39-44 of docs/semantics.md.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/circumstances.h"
#include "core/limits.h"
#include "core/pool.h"

namespace chg {

/// Why one GPU that a request could use is not to be had.
struct Blocker {
  enum class Kind { Reserved, Held, UnreservedUse, Error, OutOfService, Invisible, Avoided };
  Kind kind = Kind::Reserved;
  std::vector<int> gpus;          ///< ascending; blocked for the same reason by the same people
  std::string who;                ///< display name; or the text of the unavailability or drain
  std::optional<WallTime> until;  ///< when it ends, where that is known
  bool is_own = false;            ///< reserved by the account, and label, that asks

  bool operator==(const Blocker&) const = default;
};

/// Why a request is not granted: it asked for `asked` GPUs, `available` of those it may use are
/// free for it, the others are blocked.
struct Reason {
  int asked = 0;
  std::vector<int> named;  ///< the GPUs asked for by id; empty: any
  int available = 0;
  std::vector<Blocker> blockers;
  std::optional<GpuLimit> limit = {};  ///< what it waits for instead of blockers
  bool passed_over = false;  ///< its waiter did not take what it was granted; it has no blockers
  std::string within = {};   ///< the reservation inside which it is to run; "": none
  bool fits_in_own = false;  ///< a run that waits for what is its own could run in that (--mine)

  bool operator==(const Reason&) const = default;
};

/// What was decided of one waiting request.
struct Decision {
  std::string request_id;
  int position = 0;       ///< 1: the head of the queue
  std::vector<int> held;  ///< free GPUs kept for it
  Reason reason;
  std::optional<WallTime> estimated_start;

  bool operator==(const Decision&) const = default;
};

/// Adds the request to the queue. A new one, whose arrival is 0, gets a number behind all that the
/// pool has given: when it was made, in microseconds since 1970, or the next number where a clock
/// was ahead. One that has waited before keeps its number. So it gets its old place back even from
/// a pool that was lost, since those that came later have the number of a later time (unless
/// somebody has set the clock back in between). All processes of a host share the wall clock, in
/// whatever namespaces they are.
/// Throws Error(Usage) when it can never be granted: more GPUs than the pool has, an unknown or
/// repeated id, a count that contradicts the ids. REQUIRES: request.id is not in the pool.
void enqueue(Pool& pool, Request request);

/// Puts a request that the pool has granted back into its place. REQUIRES: as enqueue.
void put_in_place(Pool& pool, Request request);

/// Whether what was observed of the GPU lets the request have it: it is free, also by the request's
/// own thresholds, or `force` may take it. REQUIRES: nobody has reserved it.
bool may_take(const Request& request, const Gpu& gpu);

/// Reclaims lost GPUs, then walks the queue in its order and grants what fits; a request that does
/// not fit holds what it could use. One beyond its account's limit holds nothing, and so does one
/// that was passed over. A waiter that would be served and is gone is dropped instead. Requests for
/// GPUs inside a reservation (core/inner.h) are served from those, and no limit counts them. The
/// walk begins anew where a reservation was granted inside which requests wait. Returns the granted
/// ids.
std::vector<std::string> schedule(Pool& pool, const Circumstances& given);

/// The decisions on all waiting requests. REQUIRES: `schedule` has just run on this pool.
std::vector<Decision> explain(const Pool& pool, const Instant& now);

/// As above, for one request; nullopt when it does not wait.
std::optional<Decision> explain(const Pool& pool, const std::string& request_id,
                                const Instant& now);

/// The candidates in the order in which the policy gives them to an account.
std::vector<int> in_order_of_preference(const Pool& pool, std::vector<int> candidates,
                                        std::uint32_t uid, AllocationPolicy policy);

}  // namespace chg
