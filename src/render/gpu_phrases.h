// The parts of what is said of one GPU. The wording is the contract of docs on the command line;
// lines, table and JSON put the same parts together. Every text is printable; "" where there is
// none.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/overview.h"
#include "render/style.h"

namespace chg {

/// "AVAILABLE", "IN USE", "IN USE WITHOUT RESERVATION", "ERROR", "OUT OF SERVICE".
std::string status_word(GpuStatus status);

/// "IN_USE": as a value of its own, and back.
const char* status_key(GpuStatus status);
std::optional<GpuStatus> read_status_key(const std::string& key);

Color status_color(GpuStatus status);

/// "last released 0h 30m 15s ago", "last heartbeat 0h 0m 5s ago", "expires in 3h 15m 45s", why it
/// is in error or out of service.
std::string details(const GpuOverview& gpu, const Instant& now);

/// What stands in the parenthesis of a line: details, after the kind of the reservation.
std::string parenthesis(const GpuOverview& gpu, const Instant& now);

/// What stands in the brackets of a line: whether the GPU shows what the pool says. None where the
/// status itself is what the GPU shows.
std::string validation(const GpuOverview& gpu);

/// "by user bob - 1024MB used by PID 12345 (python3)", of a GPU in unreserved use.
std::string unreserved_use(const GpuOverview& gpu);

/// "held for alice, 1st in queue".
std::string held_for(const GpuOverview& gpu);

/// "lost by the run abc12345 of alice, which goes on": somebody else has got the GPU since.
std::string lost_by(const GpuOverview& gpu);
/// Of one run; `owner` is printable.
std::string lost_by_run(const std::string& id, const std::string& owner);

/// "leftover PID 7 (python3)".
std::string leftovers(const GpuOverview& gpu);

/// "out of service when released (note)", of a reserved GPU that is being drained.
std::string draining(const GpuOverview& gpu);

/// The command lines of the processes on the GPU, for the model that they serve. Raw.
std::vector<std::string> command_lines(const GpuOverview& gpu);

/// "NVIDIA H100 80GB HBM3", as read, else as the pool has it. Raw.
std::string gpu_model(const GpuOverview& gpu);

}  // namespace chg
