#include "render/outside_text.h"

#include "base/text.h"

namespace chg {
namespace {

constexpr std::size_t kNameColumns = 40;
constexpr std::size_t kNoteColumns = 80;
// A label, an account, and " (" and ")" around it.
constexpr std::size_t kDisplayNameColumns = 2 * kNameColumns + 4;

}  // namespace

std::string shown_name(const std::string& name) { return printable(name, kNameColumns); }

std::string shown_note(const std::string& note) { return printable(note, kNoteColumns); }

std::string shown_display_name(const std::string& name) {
  return printable(name, kDisplayNameColumns);
}

std::string shown_owner(const Account& account, const std::string& label) {
  return display_name({account.uid, shown_name(account.name)}, shown_name(label));
}

}  // namespace chg
