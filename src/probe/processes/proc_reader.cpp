#include "probe/processes/proc_reader.h"

#include <algorithm>
#include <array>
#include <climits>
#include <optional>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_text.h"
#include "base/number.h"
#include "base/process_stat.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "probe/processes/cgroup_path.h"
#include "probe/processes/container_name.h"

namespace chg {
namespace {

constexpr std::size_t kCommandLineBytesMax = 4096;
constexpr std::size_t kStatusBytesMax = 64U << 10;
// Linux allows no larger environment: three quarters of an 8 MiB stack.
constexpr std::size_t kEnvironmentBytesMax = 6U << 20;

// Deeper trees are not a shell's.
constexpr std::size_t kAncestorsMax = 64;

// The folder of one process. It stays that process's when the pid is reused: then it reads as
// empty.
UniqueFd open_process(const std::string& root, int pid) {
  const std::string path = root + "/" + std::to_string(pid);
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

// The first `bytes_max` bytes of a file, or missing when it cannot be read.
std::optional<std::string> read_in(const UniqueFd& folder, const char* name,
                                   std::size_t bytes_max) {
  const UniqueFd file(::openat(folder.get(), name, O_RDONLY | O_CLOEXEC));
  return file ? read_to_end(file.get(), bytes_max) : std::nullopt;
}

std::optional<ProcessStat> stat_of(const UniqueFd& folder) {
  const auto text = folder ? read_in(folder, "stat", kStatusBytesMax) : std::nullopt;
  return text ? parse_process_stat(*text) : std::nullopt;
}

// nullopt when the variable is not there and the memory doesn't look like an environment.
std::optional<std::string> parse_reservation(std::string_view environment) {
  bool is_overwritten = false;
  while (!environment.empty()) {
    std::string_view value = cut(environment, '\0');
    if (value.find('=') == std::string_view::npos) {
      is_overwritten = true;
    } else if (cut(value, '=') == kReservationVariable) {
      return std::string(value);
    }
  }
  return is_overwritten ? std::nullopt : std::optional<std::string>("");
}

// argv[0] is a path, or a title that the program gave itself ("nginx: worker /etc/x"): there a
// slash behind the first space is part of a remark.
std::string_view program_name(std::string_view argument) {
  const std::size_t end = argument.starts_with('/') ? std::string_view::npos : argument.find(' ');
  return argument.substr(argument.rfind('/', end) + 1);
}

Duration since_boot(std::uint64_t ticks) {
  static const auto ticks_a_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  // Nothing runs for longer than a century; more would not fit.
  ticks = std::min(ticks, ticks_a_second * 3'155'760'000U);
  return std::chrono::seconds(ticks / ticks_a_second) +
         std::chrono::nanoseconds(std::nano::den / ticks_a_second * (ticks % ticks_a_second));
}

// The name of the file that the process runs, if the file is root's. The kernel follows this link
// to the very file, whatever has its name by now.
std::string system_program_in(const UniqueFd& folder) {
  struct stat file {};
  std::array<char, PATH_MAX> path{};
  if (::fstatat(folder.get(), "exe", &file, 0) != 0 || file.st_uid != 0) return "";
  const ssize_t length = ::readlinkat(folder.get(), "exe", path.data(), path.size());
  if (length <= 0) return "";
  std::string_view name(path.data(), static_cast<std::size_t>(length));
  constexpr std::string_view kDeleted = " (deleted)";
  if (name.ends_with(kDeleted)) name.remove_suffix(kDeleted.size());
  return std::string(name.substr(name.rfind('/') + 1));
}

// The arguments, each but the last one followed by a NUL.
std::string arguments_in(const UniqueFd& folder) {
  std::string text = read_in(folder, "cmdline", kCommandLineBytesMax).value_or("");
  text.erase(text.find_last_not_of('\0') + 1);
  return text;
}

std::string joined_by_spaces(std::string arguments) {
  std::replace(arguments.begin(), arguments.end(), '\0', ' ');
  return arguments;
}

// Whether the arguments say for whom a process works, and not what it does: it has given itself a
// title without arguments ("VLLM::EngineCore", "sglang::scheduler_TP0"), or another Python has
// started it.
bool works_for_another(std::string_view arguments) {
  const std::string_view title = cut(arguments, '\0');
  if (arguments.empty()) return title.find("::") != std::string_view::npos;
  while (!arguments.empty()) {
    const std::string_view option = cut(arguments, '\0');
    if (option == "-c") return arguments.starts_with("from multiprocess");
    if (option == "-m") return arguments.starts_with("mpi4py");
    if (option == "-X") cut(arguments, '\0');
    if (!option.starts_with('-')) return false;
  }
  return false;
}

}  // namespace

ProcReader::ProcReader(std::string root, std::string host_root, TellsModel tells_model)
    : root_(std::move(root)),
      host_root_(std::move(host_root)),
      tells_model_(std::move(tells_model)) {}

void ProcReader::fill(GpuProcess& process, const std::function<void()>& before_memory) {
  const UniqueFd folder = open_process(root_, process.pid);
  if (!folder) return;
  if (const auto stat = stat_of(folder)) {
    process.start_ticks = stat->start_ticks;
    process.started = since_boot(stat->start_ticks);
    process.program = stat->name;
    process.ancestors = ancestors_of(stat->parent);
  }
  if (const auto status = read_in(folder, "status", kStatusBytesMax)) {
    process.uid = parse_real_uid(*status);
  }
  if (const auto limits = read_in(folder, "limits", kStatusBytesMax)) {
    process.job_mark = parse_lock_limit(*limits).value_or(0);
  }
  if (const auto groups = read_in(folder, "cgroup", kStatusBytesMax)) {
    CgroupFacts facts = parse_cgroup(*groups);
    if (facts.container) {
      facts.container->name = container_name(*facts.container, host_root_);
    }
    process.container = std::move(facts.container);
    process.unit = std::move(facts.unit);
    process.session = std::move(facts.session);
  }
  process.system_program = system_program_in(folder);
  if (before_memory) before_memory();
  // Before the command line: a process that is ending has neither, and its empty environment says
  // nothing of the one that it had.
  const auto environment = read_in(folder, "environ", kEnvironmentBytesMax);
  const std::string command = arguments_in(folder);
  if (environment && !(environment->empty() && command.empty())) {
    process.reservation_id = parse_reservation(*environment);
  }
  if (command.empty()) return;
  const std::string_view name =
      program_name(std::string_view(command).substr(0, command.find('\0')));
  if (!name.empty()) process.program = name;
  process.command_line = joined_by_spaces(command);
  const bool computes = process.type == GpuProcess::Type::Compute;
  if (!tells_model_ || !computes || !works_for_another(command)) return;
  if (before_memory) before_memory();
  for (const Ancestor& ancestor : process.ancestors) {
    process.ancestor_command_line = server_command_line(ancestor);
    if (!process.ancestor_command_line.empty()) return;
  }
}

// "" where the process is hidden or has ended, even if another has its pid.
std::string ProcReader::command_line(const Ancestor& process) const {
  const UniqueFd folder = open_process(root_, process.pid);
  const auto stat = stat_of(folder);
  const bool is_it = stat && stat->start_ticks == process.start_ticks;
  return is_it ? joined_by_spaces(arguments_in(folder)) : "";
}

const std::string& ProcReader::server_command_line(const Ancestor& process) {
  const auto [known, is_new] = servers_.try_emplace({process.pid, process.start_ticks});
  if (is_new) {
    std::string line = command_line(process);
    if (tells_model_(line)) known->second = std::move(line);
  }
  return known->second;
}

std::optional<std::uint64_t> ProcReader::start_ticks(int pid) const {
  const auto stat = stat_of(open_process(root_, pid));
  return stat ? std::optional(stat->start_ticks) : std::nullopt;
}

std::vector<Ancestor> ProcReader::ancestors_of(int parent) const {
  std::vector<Ancestor> ancestors;
  while (parent > 0 && ancestors.size() < kAncestorsMax) {
    const auto stat = stat_of(open_process(root_, parent));
    if (!stat) return {};
    ancestors.push_back({parent, stat->start_ticks});
    parent = stat->parent;
  }
  return ancestors;
}

bool ProcReader::is_running(int pid) const {
  const auto stat = stat_of(open_process(root_, pid));
  return stat && std::string_view("?ZXx").find(stat->state) == std::string_view::npos;
}

}  // namespace chg
