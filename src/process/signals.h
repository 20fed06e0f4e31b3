// Signals as something to wait for.
#pragma once

#include <csignal>
#include <optional>

#include "base/unique_fd.h"

namespace chg {

/// Blocks SIGINT, SIGTERM and SIGHUP while it exists, and reports them through a descriptor.
/// Signals that were ignored before (nohup) stay ignored. One that is still pending at the end is
/// then delivered as usual. Meanwhile a job in the background may write to its terminal, whatever
/// `stty tostop` says (SIGTTOU).
class SignalWatch {
 public:
  SignalWatch();
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

  int fd() const { return fd_.get(); }

  /// The next signal that came, if any; does not wait.
  std::optional<int> take();

 private:
  sigset_t old_mask_{};
  UniqueFd fd_;
};

}  // namespace chg
