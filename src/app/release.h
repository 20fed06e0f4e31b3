// release, extend, cancel: what people do to what they hold or wait for.
#pragma once

#include <string>
#include <vector>

#include "app/context.h"
#include "core/changes.h"

namespace chg {

/// Gives back the caller's manual reservations, as `release` in core/changes.h says. The jobs of
/// selected runs are ended (SIGINT, SIGKILL after `grace`), and their GPUs are back when it
/// returns. Throws Error(NotPermitted) when the processes are another account's and the caller is
/// not root.
Released release_gpus(Context& context, const ReleaseSelection& selection, Duration grace);

std::vector<Extended> extend_reservations(Context& context, const std::vector<int>& gpu_ids,
                                          Duration by);

/// Takes a waiting request out of the queue; its process is told at once.
Request cancel_request(Context& context, const std::string& id);

}  // namespace chg
