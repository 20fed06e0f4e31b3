// Reads AMD GPUs: by the driver's own files, else by amd-smi, else by rocm-smi.
#pragma once

#include <chrono>
#include <string>

#include "probe/probe.h"

namespace chg {

class AmdProbe final : public Probe {
 public:
  /// `clock` must outlive the probe. `timeout` is for the tools together; the driver's own files
  /// have none, so let an IsolatedProbe read them. `root` is
  /// put before the paths of sysfs, /proc and /opt/rocm; the tools are looked up in PATH, then in
  /// /opt/rocm/bin.
  explicit AmdProbe(const Clock& clock, Duration timeout = std::chrono::seconds(10),
                    std::string root = "");

  /// The driver's files are read when they show a GPU. Where they don't, the first tool that is
  /// there is asked; rocm-smi also where amd-smi fails.
  ///
  /// Of a GPU whose processes can't be listed `error` says so, unless nothing of its memory is
  /// used. `source` is "KFD", "amd-smi 26.2" or "rocm-smi".
  Observation read_gpus() override;

 private:
  const Clock& clock_;
  Duration timeout_;
  std::string root_;
};

}  // namespace chg
