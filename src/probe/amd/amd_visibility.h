// How a program is told which AMD GPUs it may use.
//
// Sources: "GPU isolation techniques" in the documentation of ROCm, and amd_filter_device.cpp of
// its runtime (ROCR). The runtime counts the GPUs in the order of KFD's node ids, which need not be
// that of their PCI addresses. It filters first: ROCR_VISIBLE_DEVICES takes indices in that order
// or UUIDs ("GPU-" and 16 digits), also mixed, and shows the GPUs in the order of the list; a UUID
// that two GPUs share ends the list, and so does a word that it does not know; an empty list shows
// none. HIP_VISIBLE_DEVICES then takes indices among what is left, and CUDA_VISIBLE_DEVICES is what
// HIP reads where the former is not set; programs for either also take one for the other.
#pragma once

#include <string>
#include <vector>

#include "core/observation.h"
#include "probe/amd/kfd_topology.h"

namespace chg {

struct AmdVisibility {
  std::string rocr;  ///< ROCR_VISIBLE_DEVICES
  std::string hip;   ///< HIP_VISIBLE_DEVICES, and the same for CUDA_VISIBLE_DEVICES

  bool operator==(const AmdVisibility&) const = default;
};

/// The values by which a program sees the granted GPUs, numbered 0, 1, 2 … in the order in which
/// they are given. `nodes` are the host's GPUs, or empty where the driver doesn't show them.
///
/// A GPU is named by its UUID where the runtime knows that one, else by its place among `nodes`.
/// Throws Error for a GPU that has neither: any number for it might mean another GPU.
AmdVisibility amd_visibility(const std::vector<GpuReading>& granted,
                             const std::vector<KfdNode>& nodes);

}  // namespace chg
