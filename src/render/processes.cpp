#include "render/processes.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"
#include "render/outside_text.h"

namespace chg {
namespace {

constexpr std::size_t kProcessesListed = 3;
constexpr std::size_t kUsersListed = 6;
constexpr const char* kUnknownUser = "unknown user";

// nullopt if the memory of any is unknown: the rest is not the sum.
std::optional<std::uint64_t> memory_of(const std::vector<GpuProcess>& processes) {
  if (processes.empty()) return std::nullopt;
  std::uint64_t sum = 0;
  for (const GpuProcess& process : processes) {
    if (!process.memory_mib) return std::nullopt;
    sum += *process.memory_mib;
  }
  return sum;
}

// Its name, else the first 12 characters of its id, as `docker ps` shows it.
std::string container_text(const Container& container) {
  const std::string name = container.name.empty() ? container.id.substr(0, 12) : container.name;
  return fmt::format(" in {} {}", shown_name(container.runtime), shown_name(name));
}

std::string process_name(const GpuProcess& process) {
  return fmt::format("PID {} ({}{})", process.pid,
                     process.program.empty() ? "unknown" : shown_name(process.program),
                     process.container ? container_text(*process.container) : "");
}

// Processes that may use the memory that no listed process accounts for.
std::string suspicion(const std::vector<GpuProcess>& suspects) {
  std::vector<std::string> names;
  const std::size_t listed = std::min(suspects.size(), kProcessesListed);
  for (std::size_t i = 0; i < listed; ++i) {
    const GpuProcess& suspect = suspects[i];
    names.push_back(process_name(suspect) +
                    (suspect.user.empty() ? "" : " of " + shown_name(suspect.user)));
  }
  if (suspects.size() > listed) names.push_back(fmt::format("{} more", suspects.size() - listed));
  return names.empty() ? "" : fmt::format(" (open in {})", join_names(names));
}

}  // namespace

GpuUse use_of(const GpuOverview& gpu) {
  GpuUse use{gpu.users, gpu.users.empty(), {}, gpu.reading->suspects};
  // The listed processes are not blamed for memory that they do not account for.
  if (gpu.status == GpuStatus::Unreserved && gpu.unlisted_use) {
    use.by_unknown_process = true;
  }
  if (!use.by_unknown_process) use.memory_mib = memory_of(gpu.users);
  if (!use.memory_mib) use.memory_mib = gpu.reading->memory_used_mib;
  return use;
}

std::vector<std::string> user_names(const GpuUse& use) {
  std::vector<std::string> names;
  for (const GpuProcess& process : use.processes) {
    const bool known = std::find(names.begin(), names.end(), process.user) != names.end();
    if (!process.user.empty() && !known) names.push_back(process.user);
  }
  return names;
}

bool has_unknown_user(const GpuUse& use) {
  return use.by_unknown_process || use.processes.empty() ||
         std::any_of(use.processes.begin(), use.processes.end(),
                     [](const GpuProcess& process) { return process.user.empty(); });
}

std::string shown_users(std::vector<std::string> names, bool has_unknown) {
  for (std::string& name : names) name = shown_name(name);
  if (has_unknown) names.emplace_back(kUnknownUser);
  return join_names(names);
}

std::string by_users(const GpuUse& use) { return by_users(user_names(use), has_unknown_user(use)); }

std::string by_users(std::vector<std::string> names, bool has_unknown) {
  const std::size_t known = names.size();
  for (std::string& name : names) name = shown_name(name);
  if (has_unknown || names.empty()) names.emplace_back(kUnknownUser);
  if (names.size() > kUsersListed) {
    const std::size_t more = names.size() - kUsersListed;
    names.resize(kUsersListed);
    names.push_back(fmt::format("{} more", more));
  }
  const char* by = known == 0 ? "by" : known == 1 ? "by user" : "by users";
  return fmt::format("{} {}", by, join_names(names));
}

std::string process_list(const GpuUse& use) {
  const std::size_t listed = std::min(use.processes.size(), kProcessesListed);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < listed; ++i) names.push_back(process_name(use.processes[i]));
  std::vector<std::string> rest;
  if (use.processes.size() > listed) {
    rest.push_back(fmt::format("{} more", use.processes.size() - listed));
  }
  if (use.by_unknown_process) rest.push_back("unknown process" + suspicion(use.suspects));
  if (names.empty() || rest.empty())
    return fmt::format("{}{}", fmt::join(names, ", "), fmt::join(rest, ""));
  const std::string last = rest.back();
  names.insert(names.end(), rest.begin(), rest.end() - 1);
  return fmt::format("{} and {}", fmt::join(names, ", "), last);
}

std::string memory_used_by(const GpuUse& use) {
  return memory_used_by(use.memory_mib, process_list(use));
}

std::string memory_used_by(const std::optional<std::uint64_t>& memory_mib,
                           const std::string& processes) {
  const std::string memory =
      memory_mib ? fmt::format("{}MB", *memory_mib) : std::string("unknown memory");
  return fmt::format("{} used by {}", memory, processes);
}

std::string foreign_use(const std::vector<GpuProcess>& processes) {
  if (processes.empty()) return "";
  const GpuUse use{processes, false, memory_of(processes)};
  return fmt::format("{} - {}", by_users(use), memory_used_by(use));
}

}  // namespace chg
