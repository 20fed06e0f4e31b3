#include "process/process_list.h"

#include <memory>

#include <dirent.h>

#include "base/error.h"
#include "base/isolation.h"
#include "base/number.h"

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

std::vector<int> pids_where(const std::vector<int>& pids, const std::function<bool(int)>& is_meant,
                            Duration timeout) {
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
  bounded_map("/proc", {pids.size(), ask, take}, timeout);
  return found;
}

}  // namespace chg
