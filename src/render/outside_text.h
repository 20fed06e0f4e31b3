// Texts from outside (names, notes, errors), made printable and cut to a width.
#pragma once

#include <string>

#include "core/account.h"

namespace chg {

/// A user, program or model: at most 40 columns.
std::string shown_name(const std::string& name);

/// A note, or what a tool says is wrong: at most 80 columns.
std::string shown_note(const std::string& note);

/// A finished display name, "NAME (account)" included: at most 84 columns.
std::string shown_display_name(const std::string& name);

/// display_name of a label and an account that are each cut like a name.
std::string shown_owner(const Account& account, const std::string& label);

}  // namespace chg
