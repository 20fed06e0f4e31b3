// Which host a pool belongs to, and whether that is this one.
#pragma once

#include <string>

namespace chg {

struct HostIdentity {
  std::string name;
  std::string boot_id;  ///< of the kernel's boot that it was last seen in

  bool operator==(const HostIdentity&) const = default;
};

/// All containers of a host share its boot id, whatever names they have; after a reboot the name
/// tells. An empty name or boot id is like no other.
inline bool is_same_host(const HostIdentity& a, const HostIdentity& b) {
  const bool same_boot = !a.boot_id.empty() && a.boot_id == b.boot_id;
  return same_boot || (!a.name.empty() && a.name == b.name);
}

}  // namespace chg
