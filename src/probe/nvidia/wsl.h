// The Windows Subsystem for Linux (WSL): the GPU's driver is that of Windows, and lists the
// processes of Windows, too.
#pragma once

#include <string_view>

#include "core/observation.h"

namespace chg {

/// Whether this host is inside WSL, as its kernel's device for GPUs tells: no name that a process
/// gives itself is a proof.
bool is_wsl();

/// For hosts inside WSL: makes the process one of outside, where the driver does not tell its
/// memory and it is called by a path of Windows ("C:\Program Files\app.exe" is "app.exe").
void note_windows(GpuProcess& process, std::string_view name);

}  // namespace chg
