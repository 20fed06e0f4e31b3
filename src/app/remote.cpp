#include "app/remote.h"

#include <algorithm>
#include <csignal>
#include <sstream>
#include <thread>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "probe/tool.h"

namespace chg {
namespace {

// ssh's own status for a host that it can't reach, or is not let into; a shell's for a command that
// it does not find.
constexpr int kNotConnected = 255;
constexpr int kNotFound = 127;

constexpr std::string_view kErrorLine = "canhazgpu: error: ";
constexpr std::string_view kHintLine = "hint: ";

std::vector<std::string> ssh_command(const std::string& host, const std::vector<std::string>& words,
                                     Duration deadline) {
  const auto whole_seconds = std::chrono::ceil<std::chrono::seconds>(deadline).count();
  std::vector<std::string> argv = {
      "ssh", "-o", "BatchMode=yes", "-o", fmt::format("ConnectTimeout={}", whole_seconds),
      "--",  host, "canhazgpu"};
  argv.insert(argv.end(), words.begin(), words.end());
  return argv;
}

std::string advice_to_look(const std::string& host) {
  return "see why with: ssh " + host + " canhazgpu status";
}

// What it said was wrong: in its own words if our program did, else the last line.
void take_error(const ToolOutput& output, RemoteAnswer& answer) {
  std::istringstream lines(output.err);
  std::string last;
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.starts_with(kHintLine)) {
      answer.hint = printable(line.substr(kHintLine.size()));
    } else if (!line.empty()) {
      last = line.starts_with(kErrorLine) ? line.substr(kErrorLine.size()) : line;
    }
  }
  answer.error = printable(last);
  if (answer.error.empty()) {
    answer.error = fmt::format("ssh ended with exit status {}", output.exit_status);
  }
  if (output.exit_status == kNotFound) {
    answer.hint = "install canhazgpu on it, where its shell finds it (PATH)";
  } else if (output.exit_status == kNotConnected) {
    answer.hint = advice_to_look(answer.host);
  }
}

RemoteAnswer ask(const std::string& host, const std::vector<std::string>& words,
                 Duration deadline) {
  RemoteAnswer answer{host, "", "", ""};
  try {
    ToolOutput output = run_tool(ssh_command(host, words, deadline), deadline);
    if (output.exit_status == 0) {
      answer.text = std::move(output.out);
    } else {
      take_error(output, answer);
    }
  } catch (const std::exception& error) {
    answer.error = printable(error.what());
    answer.hint = advice_to_look(host);
  }
  return answer;
}

}  // namespace

std::vector<RemoteAnswer> ask_hosts(const std::vector<std::string>& hosts,
                                    const std::vector<std::string>& words, Duration deadline) {
  // As each run of a tool wants it; several at a time would undo each other's changes.
  std::signal(SIGCHLD, SIG_DFL);
  std::vector<RemoteAnswer> answers(hosts.size());
  std::vector<std::thread> threads;
  threads.reserve(hosts.size());
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    threads.emplace_back([&, i] { answers[i] = ask(hosts[i], words, deadline); });
  }
  for (std::thread& thread : threads) thread.join();
  return answers;
}

}  // namespace chg
