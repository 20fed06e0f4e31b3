// What amd-smi prints with --json, as values. Pure: text in, values out.
//
// The answers have differed with the version: metrics are a bare array (ROCm 5.7 to 6.4) or an
// object {"gpu_data": […]} (7), values are bare numbers (5.7 to 6.1) or {"value", "unit"} objects
// (6.2 on), processes hang on each GPU one by one (5.7 to 6.1) or as a list (6.2 on). All of
// them are read, with any text before them.
// What amd-smi does not tell ("N/A") is missing in the result; it never becomes zero.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "core/observation.h"

namespace chg {

/// Reads the answer to `static` or `list`: each GPU's number, UUID, name and address. The UUID is
/// made of the serial number of the chip, as the ROCm runtime makes it; amd-smi's own is another.
/// nullopt when `text` is no such answer.
std::optional<std::vector<GpuReading>> parse_amd_smi_gpus(std::string_view text);

/// Enters the answer to `metric` into the GPUs of the same numbers: memory, utilization,
/// temperature, power. A GPU that it doesn't mention stays without. False when `text` is no such
/// answer.
bool add_amd_smi_metrics(std::vector<GpuReading>& gpus, std::string_view text);

/// Reads the answer to `process`: for each GPU that it tells of, the processes. A GPU that is not
/// in it, or of which it says something else than a list or that there are none, is unknown.
///
/// The memory of a process is the larger of what amd-smi says in two places: either may be 0 by
/// mistake. A process whose pid it does not tell has pid 0. nullopt when `text` is no such answer.
///
/// Versions up to 26.2 list every process under every GPU, with the memory of one of them, so an
/// answer about all GPUs tells no more than which processes there are. None in the list is no proof
/// that there are none: that is also what somebody sees who may not look.
std::optional<std::map<int, std::vector<GpuProcess>>> parse_amd_smi_processes(
    std::string_view text);

/// "26.2" from the answer to `version` ("AMDSMI Tool: 26.2.1+fc0010cf6a | …", or its JSON); ""
/// when it is none.
std::string parse_amd_smi_version(std::string_view text);

/// The failure of an amd-smi that did not give what it was asked for: its first words that are no
/// warning, or its exit status where it said nothing.
Error amd_smi_error(std::string_view out, std::string_view err, int exit_status);

}  // namespace chg
