// Who uses a GPU, in words. Lines, table and JSON take their phrases from here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/overview.h"

namespace chg {

/// Processes on a GPU, what they hold, and whether memory is held that belongs to no listed one.
struct Use {
  std::vector<GpuProcess> processes;
  bool by_unknown_process = false;
  std::optional<std::uint64_t> memory_mib;  ///< missing when it can't be told
  std::vector<GpuProcess> suspects = {};    ///< of the memory that belongs to nobody
};

/// All that is in use on a GPU: its counted processes and what they hold; where they don't tell,
/// the memory in use. REQUIRES: gpu.reading.
Use use_of(const GpuOverview& gpu);

/// What other accounts than the reservation's use of it.
Use foreign_use_of(const GpuOverview& gpu);

/// Each user once, in the order of the processes, raw; "unknown user" last where there is one.
std::vector<std::string> user_names(const Use& use);

/// "bob and unknown user", of raw names.
std::string shown_users(std::vector<std::string> names);

/// "by user bob", "by users alice, bob and carol", "by unknown user", "by user bob and unknown
/// user".
std::string by_users(const Use& use);
/// Of raw names as those of user_names; of none, "by unknown user".
std::string by_users(std::vector<std::string> names);

/// "PID 1 (python3), PID 2 (jupyter)"; at most three, then "and 2 more"; "unknown process", and who
/// has the device open: "unknown process (open in PID 7 (python3) of bob)". A process of a
/// container is "PID 1 (python3 in docker trainer)".
std::string process_list(const Use& use);

/// "1024MB used by PID 1 (python3)"; "unknown memory used by …".
std::string memory_used_by(const Use& use);
std::string memory_used_by(const std::optional<std::uint64_t>& memory_mib,
                           const std::string& processes);

/// "by user bob - 1024MB used by PID 1 (python3)".
std::string use_text(const Use& use);

}  // namespace chg
