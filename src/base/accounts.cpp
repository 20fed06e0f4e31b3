#include "base/accounts.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>

#include "base/clock.h"
#include "base/duration_text.h"
#include "base/error.h"
#include "base/isolation.h"
#include "base/number.h"
#include "base/shell_word.h"
#include "base/text.h"

namespace chg {
namespace {

constexpr std::chrono::seconds kDirectoryTimeout(1);

// How much of it is left.
Duration& time_left() {
  static Duration left = kDirectoryTimeout;
  return left;
}

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

// The first entry of the file that `is_wanted`, as `result` copies it out of the buffer. `next` is
// of fgetpwent_r's kind.
template <typename Entry, typename Wanted, typename Result>
auto find_in_file(const char* path, int (*next)(std::FILE*, Entry*, char*, std::size_t, Entry**),
                  const Wanted& is_wanted, const Result& result)
    -> std::optional<decltype(result(Entry()))> {
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path, "re"));
  if (!file) return std::nullopt;
  Entry entry{};
  std::vector<char> buffer(4096);
  while (true) {
    Entry* found = nullptr;
    const int failure = next(file.get(), &entry, buffer.data(), buffer.size(), &found);
    if (failure == ERANGE) {
      buffer.resize(buffer.size() * 2);
    } else if (failure != 0 || found == nullptr) {
      return std::nullopt;
    } else if (is_wanted(entry)) {
      return result(entry);
    }
  }
}

// Asks by a function of getpwnam_r's kind.
template <typename Entry, typename Key, typename Result>
auto ask_nss(int (*ask)(Key, Entry*, char*, std::size_t, Entry**), Key key, const Result& result)
    -> std::optional<decltype(result(Entry()))> {
  Entry entry{};
  Entry* found = nullptr;
  std::vector<char> buffer(4096);
  while (ask(key, &entry, buffer.data(), buffer.size(), &found) == ERANGE) {
    buffer.resize(buffer.size() * 2);
  }
  if (found == nullptr) return std::nullopt;
  return result(*found);
}

// What the directory says: the notes of `work`. Whether it said all in time.
bool ask_directory(const std::function<void(Notes&)>& work, std::string& said) {
  if (time_left() <= Duration::zero()) return false;
  const auto started = SteadyClock::now();
  const IsolatedEnd end = run_isolated("the directory of accounts", work, {time_left()});
  time_left() -= SteadyClock::now() - started;
  said = end.notes;
  if (!end.failure) return true;
  if (end.failure->reason == IsolatedFailure::Reason::Late) time_left() = Duration::zero();
  return false;
}

std::string name_in(const passwd& entry) { return entry.pw_name; }
std::uint32_t uid_in(const passwd& entry) { return entry.pw_uid; }
std::uint32_t gid_in(const group& entry) { return entry.gr_gid; }

// Entries of NIS begin so.
bool is_account(const passwd& entry) { return entry.pw_name[0] != '+' && entry.pw_name[0] != '-'; }

std::optional<std::string> name_in_file(std::uint32_t uid) {
  return find_in_file<passwd>(
      "/etc/passwd", fgetpwent_r,
      [&](const passwd& entry) { return entry.pw_uid == uid && is_account(entry); }, name_in);
}

// One line for each: "1000 alice".
void ask_for_names(const std::vector<std::uint32_t>& uids,
                   std::map<std::uint32_t, std::optional<std::string>>& names) {
  std::string said;
  ask_directory(
      [&](Notes& notes) {
        for (const std::uint32_t uid : uids) {
          const auto name = ask_nss(getpwuid_r, uid, name_in);
          if (name) notes.add(fmt::format("{} {}\n", uid, *name));
        }
      },
      said);
  std::string_view lines = said;
  while (!lines.empty()) {
    std::string_view name = cut(lines, '\n');
    const auto uid = parse<std::uint32_t>(cut(name, ' '));
    if (uid) names[*uid] = std::string(name);
  }
}

}  // namespace

std::optional<std::uint32_t> uid_of_account(const std::string& name) {
  const auto in_file = find_in_file<passwd>(
      "/etc/passwd", fgetpwent_r, [&](const passwd& entry) { return entry.pw_name == name; },
      uid_in);
  if (in_file) return in_file;
  std::string said;
  ask_directory(
      [&](Notes& notes) {
        const auto uid = ask_nss(getpwnam_r, name.c_str(), uid_in);
        if (uid) notes.add(std::to_string(*uid));
      },
      said);
  return parse<std::uint32_t>(said);
}

std::map<std::uint32_t, std::string> names_of_accounts(const std::set<std::uint32_t>& uids) {
  static std::map<std::uint32_t, std::optional<std::string>> known;
  std::vector<std::uint32_t> unknown;
  for (const std::uint32_t uid : uids) {
    const auto [place, is_new] = known.try_emplace(uid);
    if (is_new) place->second = name_in_file(uid);
    if (is_new && !place->second) unknown.push_back(uid);
  }
  if (!unknown.empty()) ask_for_names(unknown, known);
  std::map<std::uint32_t, std::string> names;
  for (const std::uint32_t uid : uids) {
    if (known[uid]) names.emplace(uid, *known[uid]);
  }
  return names;
}

std::string name_of_account(std::uint32_t uid) {
  const auto names = names_of_accounts({uid});
  return names.empty() ? std::to_string(uid) : names.begin()->second;
}

std::optional<std::uint32_t> gid_of_group(const std::string& name) {
  const auto in_file = find_in_file<group>(
      "/etc/group", fgetgrent_r, [&](const group& entry) { return entry.gr_name == name; }, gid_in);
  if (in_file) return in_file;
  std::string said;
  const bool has_answered = ask_directory(
      [&](Notes& notes) {
        const auto gid = ask_nss(getgrnam_r, name.c_str(), gid_in);
        if (gid) notes.add(std::to_string(*gid));
      },
      said);
  if (has_answered) return parse<std::uint32_t>(said);
  throw Error(ErrorKind::Failed,
              fmt::format("to look up the group '{}' took longer than {}", printable(name, 60),
                          to_short_text(kDirectoryTimeout)),
              fmt::format("is the host's directory service (LDAP, SSSD) up? see: getent group {}",
                          shell_word(name)))
      .with(Retry::Later);
}

}  // namespace chg
