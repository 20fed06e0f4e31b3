// What people do to the pool, each a pure function. Authority (rule 14) is decided here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/pool.h"

namespace chg {

/// What to give back: the manual reservations of an account, and live runs only where `runs` is
/// set.
struct ReleaseSelection {
  std::vector<int> gpu_ids;          ///< only on these; empty: all
  std::optional<std::string> label;  ///< only with this label ("": without one); missing: any
  bool runs = false;
};

struct Released {
  std::vector<int> gpus;                 ///< given back, ascending
  std::vector<int> left_to_runs;         ///< the same, but runs inside go on there, as their own
  std::vector<Reservation> runs;         ///< live runs that were selected; they end with their jobs
  int runs_kept = 0;                     ///< the caller's live runs, when runs were not selected
  std::vector<std::string> labels_kept;  ///< labels of the caller's that the selection left out
  std::vector<int> not_reserved;         ///< of the GPUs that were named
};

/// Gives back manual reservations and names the runs that were asked for.
/// With gpu_ids, throws Error: Usage for an unknown id; NotPermitted when a GPU belongs to another
/// account and the caller is no admin; Failed when one is a live run and `selection.runs` is not
/// set, or when a run inside has both GPUs that are named and GPUs that are not. Runs inside of
/// what is given back are selected with `selection.runs`, and else go on as their own. Without
/// gpu_ids only the caller's own are selected.
Released release(Pool& pool, const Caller& caller, const ReleaseSelection& selection,
                 const Instant& now);

struct Extended {
  std::string id;
  std::vector<int> gpus;
  WallTime expires;
};

/// Lengthens the caller's manual reservations, or those on the named GPUs. `groups` are the
/// caller's, for the limit on its own; an admin is not limited. Throws as `release` does,
/// Error(Failed) when there is nothing to extend, and as require_duration does.
std::vector<Extended> extend(Pool& pool, const Caller& caller, const std::vector<int>& gpu_ids,
                             Duration by, const std::vector<std::string>& groups = {});

/// Takes a request out of the queue. `id` may be an unambiguous beginning. Returns it. Throws
/// Error(Failed) when nothing or more than one thing matches, Error(NotPermitted) for other
/// people's.
Request cancel(Pool& pool, const Caller& caller, const std::string& id);

/// Takes everything away from everybody: reservations end as Cleared, requests are cancelled.
void clear(Pool& pool, const Caller& caller, const Instant& now);

/// Takes GPUs out of service, with a note that says why, or puts them back (nullopt). Throws as
/// require_gpu does.
void set_service(Pool& pool, const Caller& caller, const std::vector<int>& gpus,
                 const std::optional<std::string>& note);

}  // namespace chg
