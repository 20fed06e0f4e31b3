#include "app/release.h"

#include <algorithm>

#include <fmt/format.h>
#include <unistd.h>

#include "app/pool_update.h"
#include "base/error.h"
#include "base/poll.h"
#include "core/gpu_ids.h"
#include "core/reap.h"
#include "process/identity.h"
#include "process/job.h"

namespace chg {
namespace {

void require_power_over(const Reservation& run) {
  const uid_t uid = geteuid();
  if (uid == 0 || uid == run.account.uid) return;
  throw Error(
      ErrorKind::NotPermitted,
      fmt::format("the processes on {} belong to {}", to_gpu_names(run.gpus), run.account.name),
      "only their owner and root may end them: sudo canhazgpu release --kill --gpu-ids " +
          to_id_list(run.gpus));
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
              "see them with: canhazgpu status; a GPU driver may hold them");
}

}  // namespace

Released release_gpus(Context& context, const ReleaseSelection& selection, Duration grace) {
  Released released;
  update_pool(context, nullptr, [&](Pool& pool, const Circumstances& given) {
    require_pool(pool);
    released = release(pool, current_caller(pool), selection, given.now);
    if (!released.runs.empty()) require_this_host(context, pool);
    for (const Reservation& run : released.runs) require_power_over(run);
  });
  for (const Reservation& run : released.runs) {
    if (run.holder) end_job({run.id, *run.holder, run.supervisor}, grace, [] {});
  }
  for (const Reservation& run : released.runs) await_return(context, run);
  return released;
}

std::vector<Extended> extend_reservations(Context& context, const std::vector<int>& gpu_ids,
                                          Duration by) {
  std::vector<Extended> extended;
  update_pool(context, nullptr, [&](Pool& pool, const Circumstances&) {
    require_pool(pool);
    extended = extend(pool, current_caller(pool), gpu_ids, by, limited_groups(pool.policy));
  });
  return extended;
}

Request cancel_request(Context& context, const std::string& id) {
  Request cancelled;
  update_pool(context, nullptr, [&](Pool& pool, const Circumstances& given) {
    require_pool(pool);
    drop_gone_waiters(pool, given);
    cancelled = cancel(pool, current_caller(pool), id);
  });
  return cancelled;
}

}  // namespace chg
