// Finds out who runs this program, as the host counts its accounts.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/account.h"

namespace chg {

/// What the kernel says of the account of a process.
struct KernelAccount {
  std::uint32_t uid = 0;              ///< the real one, as its user namespace counts it
  std::vector<std::uint32_t> groups;  ///< all of its gids, likewise
  std::uint64_t user_namespace = 0;   ///< inode of /proc/PID/ns/user; 0: unknown
  std::optional<std::uint32_t>
      host_uid;  ///< the uid in the first user namespace, where it was told
};

/// Who that is. Outside of the first user namespace nobody is an admin, whatever uid or gids he has
/// there. Pure.
Caller caller_of(const KernelAccount& told);

/// The owner of the tmpfs from `source`, as the first user namespace counts it, from the text of
/// /proc/PID/mountinfo; nullopt when none is mounted. Pure.
std::optional<std::uint32_t> owner_of_tmpfs(std::string_view mounts, std::string_view source);

/// Who runs this process. Within another user namespace this takes about a millisecond, and at most
/// a second. REQUIRES: one thread.
Caller find_caller();

}  // namespace chg
