// A job that says when it began and when it ends: "began NS", then, once its input ends, "ends NS",
// on the monotonic clock. With a pid it is the floor of waiting for a job: it says "waits", waits
// for that process to end, and then becomes a stamp by exec, as a `run` does.
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

void say(const char* what) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  std::printf("%s %lld\n", what, now.tv_sec * 1'000'000'000LL + now.tv_nsec);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) {
    const auto pidfd = static_cast<int>(syscall(SYS_pidfd_open, std::atoi(argv[1]), 0));
    say("waits");
    pollfd ended{pidfd, POLLIN, 0};
    poll(&ended, 1, -1);
    execl(argv[0], argv[0], nullptr);
    return 1;
  }
  say("began");
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  say("ends");
  return 0;
}
