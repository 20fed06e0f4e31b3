// Wakes the waiters of other processes, without polling and without losing a wake-up.
//
// A bell is a FIFO that nobody writes to. Whoever changes the pool opens it before the commit and
// closes it after; a reader that had it open then polls as hung up (POLLHUP). The kernel closes it
// for a process that is killed in between, so a commit is announced whatever happens. Each reader
// sees each closing, so that one bell wakes many, and a bell costs nobody an inotify instance
// (there are 128 of those for each user) nor a file to clean up.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "store/store.h"

namespace chg {

class Bells {
 public:
  /// The bells in this directory.
  explicit Bells(std::string directory) : directory_(std::move(directory)) {}

  /// Makes the directory and its FIFOs where they are missing, open to whoever `mode` (as 0666 for
  /// a file) names; `gid` -1 leaves the group.
  void create(unsigned mode, int gid) const;

  /// Whether all of them are there.
  bool are_made() const;

  std::unique_ptr<Subscription> listen_to(const std::string& request_id) const;
  std::unique_ptr<Subscription> listen_to_changes() const;

  /// Holds the bells of these requests and the one for all changes; they ring when it goes.
  std::vector<UniqueFd> pull(const std::vector<std::string>& request_ids) const;

 private:
  std::string path_for(const std::string& request_id) const;

  std::string directory_;
};

}  // namespace chg
