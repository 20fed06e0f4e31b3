// The host's accounts and groups. Those that are not in /etc/passwd and /etc/group have a directory
// service behind NSS, which may be slow, or hang. It is asked in a process of its own, and all that
// this program asks of it takes a second together: what it has not said by then is not known here.
// REQUIRES: one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace chg {

/// nullopt where there is none, or it is not known in time.
std::optional<std::uint32_t> uid_of_account(const std::string& name);

/// Those that have a name that is known in time.
std::map<std::uint32_t, std::string> names_of_accounts(const std::set<std::uint32_t>& uids);

/// The account's name; its uid as text where that is not known.
std::string name_of_account(std::uint32_t uid);

/// nullopt where there is none. Throws a transient Error(Failed) where that is not known in time,
/// since who is in a group may decide.
std::optional<std::uint32_t> gid_of_group(const std::string& name);

}  // namespace chg
