// What the control group of a process tells of it: container, systemd unit, login session. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/observation.h"

namespace chg {

struct CgroupFacts {
  std::optional<Container> container;  ///< without a name: that is not in the path
  std::string unit;                    ///< the innermost service or scope; "" when there is none
  std::string session;                 ///< of "session-12.scope": "12"; "" when there is none

  bool operator==(const CgroupFacts&) const = default;
};

/// Reads /proc/PID/cgroup, of either version: lines "HIERARCHY:CONTROLLERS:PATH". Known are the
/// paths that systemd, Docker, Podman, containerd, CRI-O (Kubernetes), LXC and systemd-nspawn make.
CgroupFacts parse_cgroup(std::string_view text);

}  // namespace chg
