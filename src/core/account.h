#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/text.h"

namespace chg {

/// A Unix account. The uid decides; the name is for people.
struct Account {
  std::uint32_t uid = 0;
  std::string name;

  bool operator==(const Account&) const = default;
};

/// Which user namespace somebody lives in: each numbers the host's accounts in its own way.
enum class UserNamespace {
  First,   ///< the host's
  Other,   ///< another, such as a rootless container's; the host's account is known
  Untold,  ///< another, which does not tell the host's account
};

/// Who asks. Made once, from what the kernel says, and handed to every use case.
struct Caller {
  /// The real uid, as the first user namespace counts it; without a name until somebody needs it.
  Account account;
  bool is_admin = false;  ///< root of the first user namespace; in a pool, its admin group, too
  UserNamespace user_namespace = UserNamespace::First;
  std::uint32_t uid_here = 0;              ///< the same account, as its own namespace counts it
  std::vector<std::uint32_t> groups = {};  ///< gids; empty outside of the first user namespace
};

/// Whether `caller` may change what belongs to `owner`: the owner, root, and the admin group may.
inline bool may_change(const Caller& caller, const Account& owner) {
  return caller.is_admin || caller.account.uid == owner.uid;
}

/// How people are told whose it is: "alice", or "NAME (account)" for a label on a shared account.
/// The label comes from outside: it is made printable, and cut so that it can't push the account
/// away.
inline std::string display_name(const Account& account, const std::string& label) {
  if (label.empty() || label == account.name) return account.name;
  return printable(label, 40) + " (" + account.name + ")";
}

}  // namespace chg
