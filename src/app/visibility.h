// How a program is told which GPUs it may use.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "app/acquire.h"

namespace chg {

/// Names and values, in the order in which people should read them.
using Variables = std::vector<std::pair<std::string, std::string>>;

/// What makes programs see these GPUs alone, for a shell to export: CUDA_VISIBLE_DEVICES and its
/// companions, or those of ROCm. The indices are those of the observation, where it knows the GPU,
/// since they may have moved. Throws Error where no variable could tell a GPU from another.
Variables shell_variables(const Granted& granted);

/// The same for the command of a run, with what containers and the run's own processes go by:
/// NVIDIA_VISIBLE_DEVICES and CANHAZGPU_RESERVATION.
Variables command_variables(const Granted& granted);

}  // namespace chg
