// How a program is told which GPUs it may use.
#pragma once

#include "app/acquire.h"
#include "process/launcher.h"

namespace chg {

/// What makes programs see these GPUs alone, for a shell to export: CUDA_VISIBLE_DEVICES and its
/// companion, or that of AMD's variables which the caller has chosen. The numbers are those of the
/// observation, where it knows the GPU, since they may have moved. A variable to unset is named
/// only where the caller has it. Throws Error where no variable could tell a GPU from another.
Variables shell_variables(const Context& context, const Granted& granted);

/// The same for the command of a run, with what containers and the run's own processes go by:
/// NVIDIA_VISIBLE_DEVICES and CANHAZGPU_RESERVATION.
Variables command_variables(const Context& context, const Granted& granted);

}  // namespace chg
