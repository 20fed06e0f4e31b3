#include "app/remote.h"

#include <algorithm>
#include <csignal>
#include <sstream>
#include <thread>

#include <fmt/format.h>

#include "base/error.h"
#include "base/shell_word.h"
#include "probe/tool.h"

namespace chg {
namespace {

// The exit status of an ssh that cannot connect or log in, and of a shell that does not find the
// command.
constexpr int kNotConnected = 255;
constexpr int kNotFound = 127;

constexpr std::string_view kErrorLine = "canhazgpu: error: ";
constexpr std::string_view kHintLine = "hint: ";

std::vector<std::string> ssh_command(const std::string& host, const std::vector<std::string>& words,
                                     Duration timeout) {
  const auto whole_seconds = std::chrono::ceil<std::chrono::seconds>(timeout).count();
  std::vector<std::string> argv = {
      "ssh", "-o", "BatchMode=yes", "-o", fmt::format("ConnectTimeout={}", whole_seconds),
      "--",  host, "canhazgpu"};
  argv.insert(argv.end(), words.begin(), words.end());
  return argv;
}

std::string advice_to_look(const std::string& host) {
  return "see why with: ssh " + shell_word(host) + " canhazgpu status";
}

// The error and hint that our program printed there, else the last line of stderr.
void take_error(const ToolOutput& output, RemoteAnswer& answer) {
  std::istringstream lines(output.err);
  std::string last;
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.starts_with(kHintLine)) {
      answer.hint = line.substr(kHintLine.size());
    } else if (!line.empty()) {
      last = line.starts_with(kErrorLine) ? line.substr(kErrorLine.size()) : line;
    }
  }
  answer.error = last;
  if (answer.error.empty()) {
    answer.error = fmt::format("ssh ended with exit status {}", output.exit_status);
  }
  if (output.exit_status == kNotFound) {
    answer.hint = "install canhazgpu on it, where its shell finds it (PATH)";
  } else if (output.exit_status == kNotConnected) {
    answer.hint = advice_to_look(answer.host);
  }
}

RemoteAnswer ask(const std::string& host, const std::vector<std::string>& words, Duration timeout) {
  RemoteAnswer answer{host, "", "", ""};
  try {
    ToolOutput output = run_tool(ssh_command(host, words, timeout), timeout);
    if (output.exit_status == 0) {
      answer.text = std::move(output.out);
    } else {
      take_error(output, answer);
    }
  } catch (const std::exception& error) {
    answer.error = error.what();
    answer.hint = advice_to_look(host);
  }
  return answer;
}

}  // namespace

std::vector<RemoteAnswer> ask_hosts(const std::vector<std::string>& hosts,
                                    const std::vector<std::string>& words, Duration timeout) {
  // run_tool sets this and restores it; in several threads they would undo each other's changes.
  std::signal(SIGCHLD, SIG_DFL);
  std::vector<RemoteAnswer> answers(hosts.size());
  std::vector<std::thread> threads;
  threads.reserve(hosts.size());
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    threads.emplace_back([&, i] { answers[i] = ask(hosts[i], words, timeout); });
  }
  for (std::thread& thread : threads) thread.join();
  return answers;
}

}  // namespace chg
