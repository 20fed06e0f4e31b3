// The parts of what is said of one GPU. Scripts read the wording; lines, tables and JSON all take
// it from here. Every text is printable unless it is called raw; "" where there is nothing to say.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/overview.h"
#include "render/style.h"

namespace chg {

/// "AVAILABLE", "IN USE", "IN USE WITHOUT RESERVATION", "ERROR", "OUT OF SERVICE", "NOT RESERVED".
std::string status_word(GpuStatus status);

/// "IN_USE", as JSON has it.
const char* status_key(GpuStatus status);
/// The reverse; nullopt for any other text.
std::optional<GpuStatus> read_status_key(const std::string& key);

Color status_color(GpuStatus status);

/// What stands in the parentheses of a line: "last released 0h 30m 15s ago", "run, last heartbeat
/// 0h 0m 5s ago", "manual, expires in 3h 15m 45s", why it is in error or out of service.
std::string details(const GpuOverview& gpu, const Instant& now);

/// What stands in the brackets of a line: whether the readings agree with the pool. "" where the
/// status comes from the readings.
std::string validation(const GpuOverview& gpu);

/// What is worth a word of a GPU that works: "93% busy without any process". Not why it is in
/// error.
std::string notice(const GpuOverview& gpu);

/// "held for alice, 1st in queue".
std::string held_for(const std::string& who, int position);

/// "lost by the run abc12345 of alice, which goes on": somebody else has reserved the GPU since.
/// `owner` is printable.
std::string lost_by_run(const std::string& id, const std::string& owner);

/// "run inside for 0h 1m 2s"; `duration` is printable.
std::string inner_run(const std::string& duration);

/// "leftover PID 7 (python3)".
std::string leftovers(const std::vector<GpuProcess>& processes);

/// "out of service when released (note)", of a reserved GPU that is being drained.
std::string draining(const std::string& note);

/// The command lines of the processes that compute on the GPU, or of the ancestors that tell their
/// models. Raw.
std::vector<std::string> command_lines(const GpuOverview& gpu);

/// "NVIDIA H100 80GB HBM3", from the reading, else from the pool. Raw.
std::string gpu_model(const GpuOverview& gpu);

}  // namespace chg
