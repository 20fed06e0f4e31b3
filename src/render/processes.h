// Who uses a GPU, in words. Lines, table and JSON take their phrases from here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/overview.h"

namespace chg {

/// Processes on a GPU, the memory that they use, and whether more is used than they account for.
struct GpuUse {
  std::vector<GpuProcess> processes;
  bool by_unknown_process = false;
  std::optional<std::uint64_t> memory_mib;  ///< nullopt: unknown
  std::vector<GpuProcess> suspects = {};    ///< may be the unknown process
};

/// The counted processes of a GPU and the memory that they use; where that is unknown, the GPU's
/// memory in use. REQUIRES: gpu.reading.
GpuUse use_of(const GpuOverview& gpu);

/// Each user who is known, once, in the order of the processes, raw.
std::vector<std::string> user_names(const GpuUse& use);

/// Whether nobody can tell of some of the use whose it is.
bool has_unknown_user(const GpuUse& use);

/// "bob and unknown user", of raw names.
std::string shown_users(std::vector<std::string> names, bool has_unknown);

/// "by user bob", "by users alice, bob and carol", "by unknown user", "by user bob and unknown
/// user".
std::string by_users(const GpuUse& use);
/// Of raw names as those of user_names; of none, "by unknown user".
std::string by_users(std::vector<std::string> names, bool has_unknown);

/// "PID 1 (python3), PID 2 (jupyter)"; at most three, then "and 2 more"; "unknown process", and who
/// has the device open: "unknown process (open in PID 7 (python3) of bob)". A process of a
/// container is "PID 1 (python3 in docker trainer)".
std::string process_list(const GpuUse& use);

/// "1024MB used by PID 1 (python3)"; "unknown memory used by …".
std::string memory_used_by(const GpuUse& use);
std::string memory_used_by(const std::optional<std::uint64_t>& memory_mib,
                           const std::string& processes);

/// "by user bob - 1024MB used by PID 1 (python3)", of processes of other accounts than the
/// reservation's; "" of none.
std::string foreign_use(const std::vector<GpuProcess>& processes);

}  // namespace chg
