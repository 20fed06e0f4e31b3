// How a program is told which AMD GPUs it may use.
//
// Sources: "GPU isolation techniques" in the documentation of ROCm, amd_filter_device.cpp and
// amd_topology.cpp of its runtime (ROCR), and rocdevice.cpp of HIP. The runtime counts the GPUs in
// the order of KFD's node ids, which need not be that of their PCI addresses. It filters first:
// ROCR_VISIBLE_DEVICES takes numbers in that order or UUIDs ("GPU-" and 16 digits), also mixed, and
// shows the GPUs in the order of the list. HIP counts what is left in the same order, and
// HIP_VISIBLE_DEVICES takes those numbers; newer HIPs take UUIDs, too. It reads
// CUDA_VISIBLE_DEVICES where the former is not set; OpenCL reads GPU_DEVICE_ORDINAL instead. In
// each of them a word that is not known ends the list: nobody gets another GPU than is meant.
//
// Frameworks read them as well: Ray refuses to start where ROCR_VISIBLE_DEVICES is set, and Ray and
// vLLM where HIP_VISIBLE_DEVICES and CUDA_VISIBLE_DEVICES differ. Some want numbers, not UUIDs.
#pragma once

#include <string>
#include <vector>

#include "core/observation.h"

namespace chg {

/// The variable that names a program's GPUs.
enum class AmdVariable {
  Hip,   ///< HIP_VISIBLE_DEVICES, for all that uses HIP: PyTorch, vLLM, Ray
  Rocr,  ///< ROCR_VISIBLE_DEVICES, for all that uses the ROCm runtime: OpenCL, too
};

/// The value by which a program sees the granted GPUs, numbered 0, 1, 2 … in the order in which
/// they are given. HIP names a GPU by its number, else by its UUID; ROCR by its UUID, else by its
/// number. Throws Error for a GPU that has neither.
std::string amd_visible_devices(const std::vector<GpuReading>& granted, AmdVariable variable);

/// Puts a final error into the reading of each GPU that neither variable can name: whoever were
/// given it could not use it.
void refuse_nameless(std::vector<GpuReading>& gpus);

}  // namespace chg
