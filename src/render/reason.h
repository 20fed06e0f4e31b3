// Why a request waits, in one sentence that all views share.
#pragma once

#include <optional>
#include <string>

#include "core/schedule.h"

namespace chg {

/// "waiting for GPU 3, reserved by alice until 14:20";
/// "waiting for GPUs 3 and 5: GPU 3 reserved by alice until 14:20, GPU 5 in unreserved use by bob";
/// "waiting for 2 GPUs, 1 available: GPU 0 reserved by alice, GPUs 1-3 held for carol".
/// "waiting for 1 GPU inside reservation abc12345, none available: GPUs 0-3 reserved by alice".
/// One line; after four reasons "and 3 more GPUs". `to_waiter`: what is the asker's own is reserved
/// "by you".
std::string sentence(const Reason& reason, WallTime now, bool to_waiter = false);

/// "estimated start 14:20", "estimated start now", "start unknown".
std::string estimate_text(const std::optional<WallTime>& start, WallTime now);

/// What a request that waits for what its account holds itself may do instead, of a GPU or more:
/// "run in what you have reserved: canhazgpu run --mine --gpus 2 -- COMMAND"; "": nothing.
std::string instead(const Reason& reason);

/// What a waiter is told: "2nd in queue, waiting for GPU 3, reserved by alice until 14:20;
/// estimated start 14:20".
std::string waiting_line(const Decision& decision, WallTime now);

}  // namespace chg
