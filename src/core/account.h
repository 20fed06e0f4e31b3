#pragma once

#include <cstdint>
#include <string>

#include "base/text.h"

namespace chg {

/// A Unix account. The uid decides; the name is for people.
struct Account {
  std::uint32_t uid = 0;
  std::string name;

  bool operator==(const Account&) const = default;
};

/// Who asks for a change: the real uid, and whether root or the host's admin group stands behind
/// it.
struct Caller {
  Account account;
  bool is_admin = false;
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
