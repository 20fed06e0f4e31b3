#include "process/process_list.h"

#include <algorithm>
#include <memory>
#include <string_view>

#include <dirent.h>

#include "base/error.h"
#include "base/isolation.h"
#include "base/number.h"
#include "base/text.h"

namespace chg {

std::vector<int> all_pids() {
  std::vector<int> pids;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir("/proc"), closedir);
  if (!directory) throw_errno("cannot read '/proc'");
  while (const dirent* entry = readdir(directory.get())) {
    if (const auto pid = parse<int>(entry->d_name)) pids.push_back(*pid);
  }
  return pids;
}

std::vector<std::pair<int, std::string>> texts_of(const std::vector<int>& pids,
                                                  const std::function<std::string(int)>& ask,
                                                  Duration timeout) {
  constexpr char kBegun = '\0';
  std::vector<std::pair<int, std::string>> found;
  const auto ask_from = [&](std::size_t begin, Notes& notes) {
    for (std::size_t place = begin; place < pids.size(); ++place) {
      notes.add({&kBegun, 1});
      notes.add(ask(pids[place]));
    }
  };
  const auto take = [&](std::size_t begin, const std::string& notes) {
    std::size_t next = begin;
    std::string_view rest = notes;
    cut(rest, kBegun);
    for (auto left = std::count(notes.begin(), notes.end(), kBegun); left > 0; --left) {
      const std::string_view text = cut(rest, kBegun);
      if (!text.empty()) found.emplace_back(pids.at(next), text);
      ++next;
    }
    return next;
  };
  bounded_map("/proc", {pids.size(), ask_from, take}, timeout);
  return found;
}

std::vector<int> pids_where(const std::vector<int>& pids, const std::function<bool(int)>& is_meant,
                            Duration timeout) {
  const auto say = [&](int pid) { return std::string(is_meant(pid) ? "y" : ""); };
  std::vector<int> found;
  for (const auto& [pid, text] : texts_of(pids, say, timeout)) found.push_back(pid);
  return found;
}

}  // namespace chg
