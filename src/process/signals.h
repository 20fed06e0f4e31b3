// Signals as something to wait for.
#pragma once

#include <csignal>
#include <optional>

#include "base/unique_fd.h"

namespace chg {

/// While it exists, a job in the background may write to its terminal, whatever `stty tostop` says.
class BackgroundWriting {
 public:
  BackgroundWriting();
  ~BackgroundWriting();
  BackgroundWriting(const BackgroundWriting&) = delete;
  BackgroundWriting& operator=(const BackgroundWriting&) = delete;

 private:
  sigset_t old_mask_{};
};

/// Blocks SIGINT, SIGTERM and SIGHUP while it exists, and reports them through a descriptor.
/// Signals that were ignored before (nohup) stay ignored. One that is still pending at the end is
/// then delivered as usual. Meanwhile there is BackgroundWriting.
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
  BackgroundWriting background_;
  sigset_t old_mask_{};
  UniqueFd fd_;
};

}  // namespace chg
