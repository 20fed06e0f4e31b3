#include "cli/output.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <iostream>

#include <unistd.h>

#include "base/file_text.h"
#include "base/text.h"
#include "process/signals.h"
#include "render/style.h"

namespace chg {
namespace {

std::string safe(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t ours = std::max<std::size_t>(color_length(text), text[0] == '\n');
    result += text.substr(0, ours);
    text.remove_prefix(ours);
    // The next may be a control character, but not one of ours: so it is no end.
    const std::size_t end = ours > 0 ? 0 : 1;
    const std::string_view piece = text.substr(0, text.find_first_of("\n\x1b", end));
    result += printable(piece, std::string_view::npos);
    text.remove_prefix(piece.size());
  }
  return result;
}

// At once, so that what others say meanwhile does not come in between. That it can't be said can't
// be said either. A warning must not keep a job in the background from its place in the queue.
void write_to_stderr(const std::string& text) {
  const BackgroundWriting allowed;
  write_all(STDERR_FILENO, text);
}

}  // namespace

void print(const std::string& text, const char* hint) {
  const std::string shown = safe(text);
  const bool written = std::fwrite(shown.data(), 1, shown.size(), stdout) == shown.size();
  if (!written || std::fflush(stdout) != 0) {
    throw errno_error("cannot write the output", errno, hint);
  }
}

void say_line(const std::string& text) { write_to_stderr(message_line("canhazgpu: " + text)); }

void say_error(const std::string& message, const std::string& hint) {
  write_to_stderr(message_line("canhazgpu: error: " + message) +
                  (hint.empty() ? "" : message_line("hint: " + hint)));
}

bool ask(const std::string& question) {
  write_to_stderr("canhazgpu: " + printable(question) + " [y/N] ");
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

}  // namespace chg
