#include "app/reserve.h"

#include <csignal>

#include <fmt/format.h>

#include "app/visibility.h"
#include "base/duration_text.h"
#include "base/error.h"
#include "cli/command.h"
#include "cli/requesting.h"
#include "core/gpu_ids.h"
#include "render/reservation.h"

namespace chg {
namespace {

// GPUs that nobody was told of would stay reserved, and each new try would take others.
void tell_or_give_back(Session& session, const Reservation& reservation, const std::string& text) {
  std::signal(SIGPIPE, SIG_IGN);
  try {
    print(text);
    return;
  } catch (const Error& error) {
    const std::string gpus = to_gpu_names(reservation.gpus);
    try {
      give_back(session.context(), reservation);
    } catch (const Error&) {
      throw Error(
          error.kind(), error.what(),
          fmt::format("{} stay{} reserved for you; give back with: canhazgpu release "
                      "--gpu-ids {}",
                      gpus, reservation.gpus.size() == 1 ? "s" : "", to_id_list(reservation.gpus)));
    }
    throw Error(error.kind(), error.what(),
                fmt::format("{} {} given back; ask again when the output can be written", gpus,
                            reservation.gpus.size() == 1 ? "was" : "were"));
  }
}

std::string granted_text(Session& session, const Granted& granted, WallTime now) {
  const Config& config = session.config();
  const Reservation& reservation = granted.reservation;
  if (config.flag("reserve.short")) return to_id_list(reservation.gpus) + "\n";
  if (config.flag("reserve.json")) return reservation_json(reservation);
  return reservation_text(reservation, shell_variables(session.context(), granted), now);
}

int execute_reserve(Session& session, const Arguments&) {
  const Config& config = session.config();
  Request request = request_from(session, "reserve", ReservationKind::Manual);
  request.duration = config.duration("reserve.duration");
  request.force = config.flag("reserve.force");
  session.warn_if_private();
  const Acquired acquired = reserve(
      session.context(), request, acquire_options_from(session, "reserve"), tell_waiting(session));
  const WallTime now = session.context().now().wall;
  if (const auto* refused = std::get_if<NotGranted>(&acquired)) refuse(*refused, request, now);
  const auto& granted = std::get<Granted>(acquired);
  tell_or_give_back(session, granted.reservation, granted_text(session, granted, now));
  return 0;
}

}  // namespace

Command reserve_command() {
  return {
      .name = "reserve",
      .help = "Reserve GPUs for a time, by hand",
      .examples =
          "  canhazgpu reserve --gpus 1 --duration 4h --note debugging\n"
          "  export CUDA_DEVICE_ORDER=PCI_BUS_ID\n"
          "  export CUDA_VISIBLE_DEVICES=$(canhazgpu reserve --gpus 2 --short)\n"
          "  canhazgpu reserve --gpu-ids 3 --force      a GPU that your own processes use already\n"
          "\n"
          "Give them back with: canhazgpu release",
      .options = joined(
          request_options("reserve"),
          {{"-d,--duration", "D", "For how long: 90s, 30m, 2h, 1d (30m)", "reserve.duration"},
           {"-f,--force", "", "Also take GPUs in unreserved use, if only you use them",
            "reserve.force"},
           {"-s,--short", "", "Print the GPU ids alone: 0,2", "reserve.short"},
           {"-j,--json", "", "Print JSON", "reserve.json"}}),
      .execute = execute_reserve};
}

}  // namespace chg
