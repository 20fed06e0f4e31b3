#include "render/run_news.h"

#include <algorithm>
#include <cstddef>

#include <fmt/format.h>

#include "base/duration_text.h"
#include "base/text.h"
#include "core/gpu_ids.h"

namespace chg {
namespace {

using Processes = std::vector<NamedProcess>;

// More are counted.
constexpr std::size_t kNamedMax = 3;

bool is_one(const Processes& processes) { return processes.size() == 1; }

// "sleep (pid 26250)", "a (pid 1), b (pid 2), c (pid 3) and 5 others".
std::string names_of(const Processes& processes) {
  const std::size_t others =
      processes.size() > kNamedMax + 1 ? processes.size() - kNamedMax : std::size_t{0};
  std::vector<std::string> names;
  for (std::size_t i = 0; i + others < processes.size(); ++i) {
    const NamedProcess& process = processes[i];
    const std::string whose =
        process.account.empty() ? "" : fmt::format(" of {}", printable(process.account, 60));
    names.push_back(fmt::format("{} (pid {}){}", printable(process.name, 60), process.pid, whose));
  }
  if (others > 0) names.push_back(fmt::format("{} others", others));
  return join_names(names);
}

std::string kill_command(std::string command, const Processes& processes) {
  for (const NamedProcess& process : processes) command += fmt::format(" {}", process.pid);
  return command;
}

Processes own(Processes processes) {
  std::erase_if(processes, [](const NamedProcess& process) { return !process.account.empty(); });
  return processes;
}

// What to type to end them.
std::string end_command(const Processes& processes, const std::vector<int>& gpus, bool is_inner) {
  const Processes mine = own(processes);
  const std::string end = mine.empty() ? kill_command("sudo kill", processes)
                          : is_inner   ? kill_command("kill", mine)
                                       : "canhazgpu release --kill --gpu-ids " + to_id_list(gpus);
  return fmt::format("end the {}: {}", is_one(processes) ? "process" : "processes", end);
}

// Without the moment that has passed since it was asked for.
std::string about(Duration duration) {
  using Tenths = std::chrono::duration<std::int64_t, std::deci>;
  return to_short_text(std::chrono::round<Tenths>(duration));
}

std::string stay_reserved(const std::vector<int>& gpus) {
  return fmt::format("{} {} reserved for you", to_gpu_names(gpus),
                     gpus.size() == 1 ? "stays" : "stay");
}

std::string line(const LivesOn& news) {
  return fmt::format("{} {} still running: {} for {}, and then for as long as {} used; {}",
                     names_of(news.processes), is_one(news.processes) ? "is" : "are",
                     stay_reserved(news.gpus), to_short_text(news.grace),
                     news.gpus.size() == 1 ? "it is" : "they are",
                     end_command(news.processes, news.gpus, news.is_inner));
}

std::string line(const KeepsGpus& news) {
  const std::string names = names_of(news.processes);
  const std::string end = end_command(news.processes, news.gpus, news.is_inner);
  const bool one = is_one(news.processes);
  if (news.used.empty()) {
    return fmt::format("{} while {} {} on, since it can't be seen whether {} {}; {}",
                       stay_reserved(news.gpus), names, one ? "lives" : "live",
                       news.gpus.size() == 1 ? "it is" : "they are", "used", end);
  }
  const std::string used =
      news.used == news.gpus ? (news.gpus.size() == 1 ? "it" : "them") : to_gpu_names(news.used);
  return fmt::format("{}: {} {} {}; {}", stay_reserved(news.gpus), names, one ? "uses" : "use",
                     used, end);
}

std::string line(const SendsSignal& news) {
  std::string text;
  if (news.is_first) {
    text = news.occasion == SendsSignal::Occasion::TimeIsOver
               ? fmt::format("the run's time of {} is over: ", to_short_text(news.timeout))
               : "the command has ended, and what it left is ended (--leftovers kill): ";
  }
  const bool one = is_one(news.processes);
  text += fmt::format("{} to {}", news.signal, names_of(news.processes));
  if (!news.ignored.empty()) {
    text += fmt::format(", which {} {}", one ? "ignores" : "ignore", news.ignored);
  }
  if (!news.outlived.empty()) {
    text += fmt::format(", which {} on after {}", one ? "lives" : "live", news.outlived);
  }
  if (news.signal == "SIGKILL") return text;
  return text + fmt::format("; SIGKILL follows after {}", about(news.left));
}

std::string line(const OutOfReach& news) {
  const bool one = is_one(news.processes);
  const std::string kept =
      news.gpus.empty()
          ? ""
          : fmt::format(", and {} {} while {} {}", one ? "keeps" : "keep", to_gpu_names(news.gpus),
                        one ? "it" : "they", one ? "lives" : "live");
  return fmt::format("{} cannot be ended by you{}; root can: {}", names_of(news.processes), kept,
                     kill_command("sudo kill", news.processes));
}

}  // namespace

std::string run_news_line(const RunNews& news) {
  return std::visit([](const auto& one) { return line(one); }, news);
}

}  // namespace chg
