#include "process/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include "base/error.h"

namespace chg {

BackgroundWriting::BackgroundWriting() {
  sigset_t stopping;
  sigemptyset(&stopping);
  sigaddset(&stopping, SIGTTOU);
  sigprocmask(SIG_BLOCK, &stopping, &old_mask_);
}

BackgroundWriting::~BackgroundWriting() { sigprocmask(SIG_SETMASK, &old_mask_, nullptr); }

SignalWatch::SignalWatch() {
  sigset_t watched;
  sigemptyset(&watched);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    // An ignored signal that is held back would be told of all the same.
    struct sigaction action {};
    sigaction(number, nullptr, &action);
    if (action.sa_handler != SIG_IGN) sigaddset(&watched, number);
  }
  if (sigprocmask(SIG_BLOCK, &watched, &old_mask_) != 0) throw_errno("cannot hold back signals");
  fd_.reset(signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_) throw_errno("cannot watch signals");
}

SignalWatch::~SignalWatch() { sigprocmask(SIG_SETMASK, &old_mask_, nullptr); }

std::optional<int> SignalWatch::take() {
  signalfd_siginfo information{};
  const ssize_t size = ::read(fd_.get(), &information, sizeof information);
  if (size != static_cast<ssize_t>(sizeof information)) return std::nullopt;
  return static_cast<int>(information.ssi_signo);
}

}  // namespace chg
