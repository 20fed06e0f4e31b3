// Reads AMD GPUs: by the driver's own files, else by amd-smi.
#pragma once

#include <string>

#include "base/clock.h"
#include "core/observation.h"

namespace chg {

/// The driver's files are read when they show a GPU. Where they do not, amd-smi is asked. `timeout`
/// is for amd-smi; the driver's own files have none, so let read_isolated call this. `root` is put
/// before the paths of sysfs, /proc and /opt/rocm; amd-smi is looked up in PATH, then in
/// /opt/rocm/bin.
///
/// Of a GPU whose processes cannot be listed `error` says so, unless nothing of its memory is used.
/// `is_partial` is set where a GPU is left out because its device file is missing. `source` is
/// "KFD" or "amd-smi 26.2". Throws Error when nothing can be read at all.
Observation read_amd(const Clock& clock, Duration timeout, const std::string& root = "");

}  // namespace chg
