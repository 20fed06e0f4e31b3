#include "app/release.h"

#include <algorithm>

#include <fmt/format.h>

#include "app/pool_update.h"
#include "base/error.h"
#include "base/poll.h"
#include "core/gpu_ids.h"
#include "core/inner.h"
#include "core/reap.h"
#include "process/identity.h"
#include "process/job.h"
#include "process/job_end.h"

namespace chg {
namespace {

// The admin group has no power over others' processes.
void require_power_over(const Reservation& run, const Caller& caller) {
  if (caller.is_admin || caller.account.uid == run.account.uid) return;
  throw Error(
      ErrorKind::NotPermitted,
      fmt::format("the processes on {} belong to {}", to_gpu_names(run.gpus), run.account.name),
      "only their owner and root may end them: sudo canhazgpu release --kill --gpu-ids " +
          to_id_list(run.gpus));
}

// As the store says it, and others may write there.
JobMarks marks_of(const Reservation& run, const Caller& caller) {
  const bool is_own = caller.account.uid == run.account.uid;
  const std::uint32_t uid = is_own ? caller.uid_here : run.account.uid;
  return {run.id, *run.holder, run.supervisor, {}, uid, true};
}

// With the rights of its owner, by whoever asks: then no store makes root signal what its owner
// may not.
void end_job_of(const Reservation& run, const Caller& caller, Duration grace) {
  const bool is_own = caller.account.uid == run.account.uid;
  end_job(
      marks_of(run, caller), {grace}, [] {}, is_own ? RightsOf() : run.account.uid);
}

// Whether the command that the store names is of the run, or has ended.
bool is_proven(const Reservation& run, const Caller& caller) {
  const Liveness state = run.holder ? liveness(*run.holder) : Liveness::Gone;
  if (state != Liveness::Alive && state != Liveness::Stopped) return true;
  const std::vector<ProcessIdentity> members = job_members(marks_of(run, caller));
  return std::find(members.begin(), members.end(), *run.holder) != members.end();
}

[[noreturn]] void refuse_unproven(const Reservation& run) {
  const int pid = run.holder->pid;
  throw Error(ErrorKind::Failed,
              fmt::format("process {}, which the store names as the run on {}, does not prove that "
                          "it is of that run, and was not signalled",
                          pid, to_gpu_names(run.gpus)),
              fmt::format("look at it: ps -fp {}; and end it by hand if it is", pid));
}

// Its supervisor gives the GPUs back within moments of the end, or after a look at them; without
// one, we do.
void await_return(Context& context, const Reservation& run) {
  const Duration patience = context.options().probe_timeout + std::chrono::seconds(5);
  const Instant begin = context.now();
  const auto changes = context.store().subscribe_to_changes();
  while (age(begin, context.now()) < patience) {
    const Pool pool = context.store().read();
    const Reservation* reservation = find_reservation(pool, run.id);
    if (reservation == nullptr) return;
    // One that can't be seen from here may live in a container.
    const Liveness state =
        reservation->supervisor ? liveness(*reservation->supervisor) : Liveness::Gone;
    if (state == Liveness::Gone || state == Liveness::Stopped) break;
    wait_ready({changes->fd()}, std::chrono::seconds(1));
    changes->renew();
  }
  const Observation observation = context.read_gpus();
  const Pool pool = update_pool(context, &observation, change_nothing);
  if (find_reservation(pool, run.id) == nullptr) return;
  throw Error(ErrorKind::Failed,
              fmt::format("some processes on {} could not be ended", to_gpu_names(run.gpus)),
              "see them with: canhazgpu status; a GPU driver may hold them, or they are of another "
              "account than the run");
}

}  // namespace

Released release_gpus(Context& context, const ReleaseSelection& selection, Duration grace) {
  Released released;
  update_pool(context, nullptr, [&](Pool& pool, const Circumstances& given) {
    require_pool(pool);
    released = release(pool, context.caller_in(pool), selection, given.now);
    if (!released.runs.empty()) require_this_host(context, pool);
    for (const Reservation& run : released.runs) require_power_over(run, context.caller());
  });
  // Asked before anything is signalled: a record that names a stranger is no ground to signal
  // anybody. The runs beside it end all the same.
  std::vector<Reservation> proven;
  std::vector<Reservation> unproven;
  for (const Reservation& run : released.runs) {
    (is_proven(run, context.caller()) ? proven : unproven).push_back(run);
  }
  // The end of an outer run reaches all that is inside, and nothing is begun there any more.
  std::stable_sort(proven.begin(), proven.end(), [](const Reservation& a, const Reservation& b) {
    return depth_of(a.id) < depth_of(b.id);
  });
  for (const Reservation& run : proven) {
    if (run.holder) end_job_of(run, context.caller(), grace);
  }
  for (const Reservation& run : proven) await_return(context, run);
  if (!unproven.empty()) refuse_unproven(unproven.front());
  return released;
}

std::vector<Extended> extend_reservations(Context& context, const std::vector<int>& gpu_ids,
                                          Duration by) {
  std::vector<Extended> extended;
  update_pool(context, nullptr, [&](Pool& pool, const Circumstances&) {
    require_pool(pool);
    extended =
        extend(pool, context.caller_in(pool), gpu_ids, by, context.limited_groups(pool.policy));
  });
  return extended;
}

Request cancel_request(Context& context, const std::string& id) {
  Request cancelled;
  update_pool(context, nullptr, [&](Pool& pool, const Circumstances& given) {
    require_pool(pool);
    drop_gone_waiters(pool, given);
    cancelled = cancel(pool, context.caller_in(pool), id);
  });
  return cancelled;
}

}  // namespace chg
