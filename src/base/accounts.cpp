#include "base/accounts.h"

#include <cerrno>
#include <string>
#include <vector>

#include <grp.h>
#include <pwd.h>

namespace chg {
namespace {

// Asks by a function of getpwnam_r's kind. The entry points into the buffer, so `result` copies
// what is wanted of it.
template <typename Entry, typename Key, typename Result>
auto look_up(int (*ask)(Key, Entry*, char*, std::size_t, Entry**), Key key, Result result)
    -> std::optional<decltype(result(Entry()))> {
  Entry entry{};
  Entry* found = nullptr;
  std::vector<char> buffer(1024);
  while (ask(key, &entry, buffer.data(), buffer.size(), &found) == ERANGE) {
    buffer.resize(buffer.size() * 2);
  }
  if (found == nullptr) return std::nullopt;
  return result(*found);
}

}  // namespace

std::optional<std::uint32_t> uid_of_account(const std::string& name) {
  return look_up(getpwnam_r, name.c_str(), [](const passwd& entry) { return entry.pw_uid; });
}

std::optional<std::string> name_of_account(std::uint32_t uid) {
  return look_up(getpwuid_r, uid, [](const passwd& entry) { return std::string(entry.pw_name); });
}

std::optional<std::uint32_t> gid_of_group(const std::string& name) {
  return look_up(getgrnam_r, name.c_str(), [](const group& entry) { return entry.gr_gid; });
}

}  // namespace chg
