#include "app/run.h"

#include <algorithm>
#include <csignal>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "app/own_reservation.h"
#include "app/supervise.h"
#include "app/visibility.h"
#include "base/error.h"
#include "base/text.h"
#include "core/gpu_ids.h"
#include "process/detached.h"
#include "process/identity.h"
#include "process/job.h"
#include "process/launcher.h"

namespace chg {
namespace {

// How long a run that was granted waits for a store in trouble before it gives up.
constexpr std::chrono::seconds kRecordPatience{30};

Variables variables_or_discard(Context& context, const Granted& granted) {
  try {
    return command_variables(context, granted);
  } catch (const Error&) {
    discard(context, granted.reservation);
    throw;
  }
}

// Gives the request the id of one inside a reservation, where it is to be inside of one.
void place(Context& context, const Whereabouts& where, Request& request) {
  const bool may_be_inside = !where.carried.empty() || where.is_mine || !request.gpu_ids.empty();
  if (where.is_new || !may_be_inside) return;
  const Pool pool = context.store().read();
  require_pool(pool);
  // Nobody gets GPUs that are not here; `acquire` says so.
  if (is_of_another_host(pool)) return;
  const std::string outer = choose_outer(pool, request, where);
  if (!outer.empty()) request.id = inner_id(request.id, outer);
}

// False when the store has lost the reservation, and somebody else has some of its GPUs.
bool start_supervisor(Context& context, const Granted& granted, const RunOptions& options,
                      const RunCommand& command, const WaitListener& listener) {
  const Reservation& mine = granted.reservation;
  const Policy& policy = granted.pool.policy;
  const Supervision supervision{
      mine,
      mine.ends ? std::optional<Duration>(*mine.ends - mine.started.wall) : std::nullopt,
      options.grace,
      options.first_signal,
      options.leftovers,
      policy.heartbeat_interval,
      policy.leftovers_grace};
  UniqueFd user_stderr;
  const std::string title = supervisor_title(
      mine.id, printable(command.arguments.front(), 60),
      context.store_is_file() ? "" : context.options().store_path, mine.holder->pid);
  std::optional<ProcessIdentity> supervisor;
  OwnChange recorded = OwnChange::Made;
  // This process has the store open, and the supervisor has not: so this one records it.
  const auto record = [&](int pid) {
    supervisor = identity_of(pid);
    if (!supervisor)
      throw Error(ErrorKind::Failed, "the supervisor of the run ended at once",
                  "try again; if it ends again, see who ends it: dmesg");
    const Duration patience = options.acquire.nonblock ? Duration::zero() : kRecordPatience;
    recorded = record_supervisor(context, mine, *supervisor, patience, listener.troubled);
  };
  const auto undo = [&] {
    if (supervisor) send_signal(*supervisor, SIGKILL);
    discard(context, mine);
  };
  try {
    start_detached(title,
                   [&](const std::function<void()>& ready) {
                     supervise(context, supervision, {std::move(user_stderr), options.news}, ready);
                   },
                   {[&] { context.close_store(); }, record,
                    [&](UniqueFd copy) { user_stderr = std::move(copy); }});
    if (recorded == OwnChange::Ended) {
      throw Error(ErrorKind::Failed, "the reservation is gone",
                  "see who ended it: canhazgpu events");
    }
  } catch (const Error&) {
    undo();
    throw;
  }
  if (recorded == OwnChange::Taken) undo();
  return recorded == OwnChange::Made;
}

}  // namespace

NotGranted run(Context& context, const Request& request, const RunCommand& command,
               const RunOptions& options, const WaitListener& listener,
               const std::function<void(const Reservation&)>& on_granted) {
  // Where no process can be watched, nobody shall wait in the queue first.
  static_cast<void>(watch(self_identity()));
  Request wanted = request;
  place(context, options.where, wanted);
  while (true) {
    // Signals are blocked until the supervisor watches; one that came in between then ends this
    // process, and the supervisor gives the GPUs back.
    std::optional<SignalWatch> signals;
    const Acquired acquired = acquire(context, signals, wanted, options.acquire, listener);
    if (const auto* refused = std::get_if<NotGranted>(&acquired)) return *refused;
    const auto& granted = std::get<Granted>(acquired);
    const Variables variables = variables_or_discard(context, granted);
    if (start_supervisor(context, granted, options, command, listener)) {
      on_granted(granted.reservation);
      signals.reset();
      mark_as_job(granted.reservation.id);
      become(command.file, command.arguments, variables);
    }
    // Back to its place.
    wanted = granted.request;
  }
}

}  // namespace chg
