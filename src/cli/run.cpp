#include "app/run.h"

#include <csignal>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "base/duration_text.h"
#include "base/error.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/requesting.h"
#include "core/gpu_ids.h"
#include "process/launcher.h"
#include "render/run_news.h"

namespace chg {
namespace {

RunCommand command_from(const Arguments& arguments) {
  if (!arguments.command || arguments.command->empty()) {
    throw Error(ErrorKind::Usage, "no command given to run",
                "write it behind '--': canhazgpu run --gpus 1 -- python train.py");
  }
  const char* path = std::getenv("PATH");
  const std::string& name = arguments.command->front();
  return {resolve_command(name, path == nullptr ? "/usr/bin:/bin" : path), *arguments.command};
}

Whereabouts whereabouts_from(const Arguments& arguments) {
  const Whereabouts where{environment(kReservationVariable), arguments.has("new"),
                          arguments.has("mine")};
  if (where.is_new && where.is_mine) {
    throw Error(ErrorKind::Usage, "--new contradicts --mine",
                "--new takes other GPUs of the pool, --mine those that you have reserved by hand");
  }
  return where;
}

// Of a name without SIG.
int signal_number(const std::string& name) {
  for (int number = 1; number < SIGRTMIN; ++number) {
    const char* known = sigabbrev_np(number);
    if (known != nullptr && name == known) return number;
  }
  throw Error(ErrorKind::Usage, fmt::format("there is no signal '{}'", printable(name, 60)));
}

int execute_run(Session& session, const Arguments& arguments) {
  const RunCommand command = command_from(arguments);
  Request request = request_from(session, "run", ReservationKind::Run);
  request.command = short_command_text(command.arguments);
  request.duration = session.config().duration("run.timeout");
  RunOptions options;
  options.acquire = acquire_options_from(session, "run");
  options.grace = session.config().duration("run.grace").value_or(options.grace);
  options.first_signal = signal_number(session.config().text("run.signal").value_or("INT"));
  options.leftovers = session.config().leftovers();
  options.where = whereabouts_from(arguments);
  options.news = run_news_line;
  session.warn_if_private();
  bool has_waited = false;
  WaitListener listener = tell_waiting(session);
  listener.waits = [&has_waited, tell = listener.waits](const Decision& decision,
                                                        const Instant& now) {
    has_waited = true;
    tell(decision, now);
  };
  const NotGranted outcome = run(
      session.context(), request, command, options, listener, [&](const Reservation& reservation) {
        const std::string text = fmt::format("got {}", to_gpu_names(reservation.gpus));
        has_waited ? session.say(text) : session.explain(text);
        if (request.duration || !reservation.ends) return;
        session.say(
            fmt::format("the pool's policy ends this run after {}; give your own: --timeout",
                        to_short_text(*reservation.ends - reservation.started.wall)));
      });
  refuse(outcome, request, session.context().now().wall);
}

constexpr char kRunExamples[] = R"(  canhazgpu run -- python train.py
  canhazgpu run --gpus 2 --note 'ablation 3' -- torchrun --nproc-per-node 2 train.py
  canhazgpu run --gpu-ids 1,3 --timeout 12h -- ./job.sh
  canhazgpu run --nonblock -- nvidia-smi
  canhazgpu run --mine -- python train.py        on a GPU that you reserved by hand

The command sees its GPUs alone (CUDA_VISIBLE_DEVICES, or HIP_VISIBLE_DEVICES on AMD). Its exit
status is run's, also after a timeout (`canhazgpu events` says so); 75 means not available,
126 not executable, 127 not found, 130 interrupted while waiting.

At the timeout the job gets SIGINT (--signal), after two thirds of --grace SIGTERM, and after
all of it SIGKILL; who ignores SIGINT gets SIGTERM at once. What outlives the command keeps the
GPUs while it uses them, and unused for the policy's leftovers.grace (--leftovers keep), is
ended in the same way (kill), or loses them (release).

Inside a run, further runs share its GPUs, each to one of them at a time; --new takes others.)";

}  // namespace

Command run_command() {
  return {.name = "run",
          .help = "Reserve GPUs, run a command on them, give them back when it ends",
          .examples = kRunExamples,
          .options = joined(
              request_options("run"),
              {{"-t,--timeout", "D", "End the command after this time: 90s, 2h, 1d", "run.timeout"},
               {"--mine", "", "On GPUs that you have reserved by hand"},
               {"--new", "", "Inside a run: on other GPUs than those of that run"},
               {"--signal", "SIG", "What the timeout sends first (INT), before TERM and KILL",
                "run.signal"},
               {"--grace", "D", "Time from the first signal to SIGKILL (30s)", "run.grace"},
               {"--leftovers", "WHAT", "What outlives the command: keep, kill, release",
                "run.leftovers"}}),
          .takes_command = true,
          .execute = execute_run};
}

}  // namespace chg
