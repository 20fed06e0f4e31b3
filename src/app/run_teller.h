// Tells the user of a run what its supervisor does.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "core/process_identity.h"
#include "view/run_news.h"

namespace chg {

class RunTeller {
 public:
  /// `text` makes the lines that `user_stderr` gets. Empty: nobody is told.
  RunTeller(UniqueFd user_stderr, RunNewsText text)
      : user_stderr_(std::move(user_stderr)), text_(std::move(text)) {}

  /// Says "canhazgpu: …". Whoever reads it may have stopped, and a file may lie on a server that is
  /// away: what cannot be said within a second is not said.
  void tell(const RunNews& news) const;

  /// Nothing more is to be said: whoever reads it to its end waits for this process no longer. A
  /// file stays open, since nobody waits for its end, and a server that is away would hold this up.
  void close();

 private:
  UniqueFd user_stderr_;
  RunNewsText text_;
  bool is_closed_ = false;
};

/// Those of the processes that live, as people are told of them. `uid`: the run's owner's, as this
/// user namespace counts.
std::vector<NamedProcess> named(const std::vector<ProcessIdentity>& processes, std::uint32_t uid);

}  // namespace chg
