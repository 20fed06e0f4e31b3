#include "process/process_list.h"

#include <charconv>
#include <memory>
#include <string_view>

#include <dirent.h>

#include "base/error.h"
#include "base/isolation.h"

namespace chg {

std::vector<int> all_pids() {
  std::vector<int> pids;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir("/proc"), closedir);
  if (!directory) throw_errno("cannot read '/proc'");
  while (const dirent* entry = readdir(directory.get())) {
    const std::string_view name = entry->d_name;
    int pid = 0;
    const auto [end, status] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (status == std::errc() && end == name.data() + name.size()) pids.push_back(pid);
  }
  return pids;
}

std::vector<int> pids_where(const std::vector<int>& pids, const std::function<bool(int)>& is_meant,
                            Duration deadline) {
  constexpr char kBegun = 'b';
  constexpr char kMeant = 'm';
  std::vector<int> found;
  const auto ask = [&](std::size_t begin, Notes& notes) {
    for (std::size_t place = begin; place < pids.size(); ++place) {
      notes.add({&kBegun, 1});
      if (is_meant(pids[place])) notes.add({&kMeant, 1});
    }
  };
  const auto take = [&](std::size_t begin, const std::string& notes) {
    std::size_t next = begin;
    for (const char note : notes) {
      if (note == kBegun) ++next;
      if (note == kMeant) found.push_back(pids.at(next - 1));
    }
    return next;
  };
  run_isolated("/proc", {pids.size(), ask, take}, deadline);
  return found;
}

}  // namespace chg
