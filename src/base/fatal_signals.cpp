#include "base/fatal_signals.h"

#include <array>
#include <csignal>

#include <fmt/format.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"

namespace chg {
namespace {

// A handler may use nothing but what lies ready.
std::array<char, 1024> last_words;
std::size_t last_words_size = 0;
pid_t speaker = 0;

void speak_and_end(int number) {
  if (getpid() == speaker) {
    [[maybe_unused]] const ssize_t written =
        ::write(STDERR_FILENO, last_words.data(), last_words_size);
    _exit(static_cast<int>(ErrorKind::Failed));
  }
  signal(number, SIG_DFL);
  raise(number);
}

// A handler, and not SIG_IGN, which exec would leave to the command of a run.
void handle(int number, void (*handler)(int)) {
  struct sigaction action {};
  sigaction(number, nullptr, &action);
  if (action.sa_handler != SIG_DFL) return;
  action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigaction(number, &action, nullptr);
}

}  // namespace

void survive_file_size_limit() {
  handle(SIGXFSZ, [](int) {});
}

void explain_sigbus(const std::string& message, const std::string& hint) {
  const std::string text =
      fmt::format("canhazgpu: error: {}\nhint: {}\n", printable(message, 600), printable(hint));
  last_words_size = text.copy(last_words.data(), last_words.size());
  speaker = getpid();
  handle(SIGBUS, speak_and_end);
}

}  // namespace chg
