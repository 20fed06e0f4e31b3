// Reads AMD GPUs: by the driver's own files, else by amd-smi.
#pragma once

#include <chrono>
#include <string>

#include "probe/probe.h"

namespace chg {

class AmdProbe final : public Probe {
 public:
  /// `clock` must outlive the probe. `timeout` is for amd-smi; the driver's own files have none, so
  /// let an IsolatedProbe read them. `root` is put before the paths of sysfs, /proc and /opt/rocm;
  /// amd-smi is looked up in PATH, then in /opt/rocm/bin.
  explicit AmdProbe(const Clock& clock, Duration timeout = std::chrono::seconds(10),
                    std::string root = "");

  /// The driver's files are read when they show a GPU. Where they do not, amd-smi is asked.
  ///
  /// Of a GPU whose processes cannot be listed `error` says so, unless nothing of its memory is
  /// used. `source` is "KFD" or "amd-smi 26.2".
  Observation read_gpus() override;

 private:
  const Clock& clock_;
  Duration timeout_;
  std::string root_;
};

}  // namespace chg
