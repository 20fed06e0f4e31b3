// What nvidia-smi prints with --format=csv,noheader,nounits, as values. Pure: text in, readings
// out.
//
// A value that nvidia-smi does not tell ("[N/A]", "[Not Supported]", "[Insufficient Permissions]"
// …) is missing in the result; it never becomes zero. Lines that are no rows, such as warnings, are
// passed over.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/observation.h"

namespace chg {

/// What to ask for, as --query-gpu= takes it, separated by commas. Some drivers do not know all of
/// those behind the first kGpuColumnsNeeded: these are left out.
inline constexpr std::array<std::string_view, 11> kGpuColumns = {"index",
                                                                 "uuid",
                                                                 "pci.bus_id",
                                                                 "name",
                                                                 "memory.used",
                                                                 "memory.total",
                                                                 "utilization.gpu",
                                                                 "mig.mode.current",
                                                                 "retired_pages.pending",
                                                                 "remapped_rows.pending",
                                                                 "gpu_recovery_action"};
inline constexpr std::size_t kGpuColumnsNeeded = 7;
/// As --query-compute-apps= takes it.
inline constexpr std::string_view kProcessColumns = "gpu_uuid,pid,process_name,used_memory";

/// Some of kGpuColumns, in their order.
using GpuColumns = std::vector<std::string_view>;

/// The first `count` of kGpuColumns.
GpuColumns first_columns(std::size_t count = kGpuColumns.size());

/// Leaves out the columns that nvidia-smi says it does not know. False where it says so of none, or
/// only of some that are needed, or have been left out.
bool drop_unknown(GpuColumns& columns, std::string_view answer);

/// Reads the answer to --query-gpu with these columns.
///
/// A GPU that is lost, needs a reset, or answers ERR! has that in its `error`. When nvidia-smi says
/// of one GPU that it cannot be reached and lists others, the others are read as usual; that one is
/// an entry with an `error` where its row or its index tells which it is, and missing where neither
/// does. Without a row there are no readings at all: nvidia_smi_error says what the text means
/// then. Memory is MiB. The readings are in the order of their indices, and have no processes yet.
std::vector<GpuReading> parse_gpus(std::string_view text,
                                   const GpuColumns& columns = first_columns());

/// The indices of the GPUs in MIG mode, by the same answer.
std::vector<int> mig_gpus(std::string_view text, const GpuColumns& columns = first_columns());

/// A process, and the GPU that it is listed on.
struct ListedProcess {
  std::string gpu_uuid;
  GpuProcess process;  ///< pid 0: something runs there, or may, and nvidia-smi does not tell what
  bool is_not_supported = false;  ///< of this GPU it lists no processes at all
};

/// The answer to --query-compute-apps.
struct ProcessTable {
  std::vector<ListedProcess> processes;
  /// A line of it is neither row nor warning, nor about one GPU only: without processes, this is no
  /// list of nothing but a failure.
  bool has_stray_text = false;
};

/// Reads the answer to --query-compute-apps. The program is known by what nvidia-smi calls it,
/// until /proc tells better; "" when it does not tell. A process name may contain commas. `in_wsl`:
/// those of Windows are among them (note_windows).
ProcessTable parse_processes(std::string_view text, bool in_wsl = false);

/// Puts each process on its GPU. A GPU of which nvidia-smi says that there are processes, but not
/// which (pid 0), gets an `error` instead, or is one that lists none. Processes of GPUs that are
/// not in `gpus` are dropped.
void add_processes(std::vector<GpuReading>& gpus, const ProcessTable& table);

/// A process that nvidia-smi calls so: its program's path, or that with arguments behind it.
GpuProcess process_named(int pid, std::string_view name);

}  // namespace chg
