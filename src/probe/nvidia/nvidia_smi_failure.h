// What it means when nvidia-smi answers with something else than readings.
#pragma once

#include <string_view>

#include "base/error.h"

namespace chg {

/// The failure that nvidia-smi reported: one line for people, and what to do about it. The texts of
/// nvidia-smi decide (it prints them on stdout, sometimes with exit status 0), then its exit
/// status; what neither explains is quoted. `exit_status` as in ToolOutput.
Error nvidia_smi_error(std::string_view out, std::string_view err, int exit_status);

}  // namespace chg
