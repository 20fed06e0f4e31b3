// What `nvidia-smi -q -x` prints, as values. Pure: text in, readings out.
//
// Unlike the CSV answers it tells of a divided GPU (MIG) which parts it has and what runs on them.
#pragma once

#include <string_view>
#include <vector>

#include "core/observation.h"

namespace chg {

/// Reads the answer to -q -x. What stands before and after the document (warnings) is passed over.
///
/// The index of a reading is its place in the document, which is PCI bus order. Memory is MiB;
/// drivers that tell the reserved part apart (510 and later) don't count it as used. A value that
/// nvidia-smi does not tell is missing, never zero. A GPU that is lost, needs a reset, or answers
/// ERR! has that in its `error`; so has one that may hold memory and whose processes aren't told.
///
/// A process of any type but "G" is Compute. One that is on several parts is one, with the memory
/// of all. Processes are in the order of their pids. A part without a UUID of its own (drivers
/// print none so far) is "MIG-GPU-…/INSTANCE/COMPUTE_INSTANCE", the name that CUDA has for it; its
/// model is the GPU's with " MIG" and, where told, the number of multiprocessors.
///
/// Throws Error where there is no complete document, where it declares or uses entities of its own
/// (nvidia-smi has none), and where it is larger, deeper or longer than any nvidia-smi's.
std::vector<GpuReading> parse_gpus_xml(std::string_view text);

}  // namespace chg
