#include "probe/shared_probe.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file_lock.h"
#include "base/file_text.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "probe/observation_text.h"
#include "probe/processes/host_pids.h"
#include "probe/processes/process_facts.h"

namespace chg {
namespace {

constexpr std::size_t kReadingBytesMax = 8U << 20;

// The checksum tells a reading that is just being written from one that is whole.
std::string sealed(const std::string& text) {
  return fmt::format("{:016x} {}", hash_of(text), text);
}

std::optional<std::string> unsealed(const std::string& text) {
  constexpr std::size_t kSealLength = 17;
  if (text.size() < kSealLength) return std::nullopt;
  const std::string content = text.substr(kSealLength);
  if (sealed(content) != text) return std::nullopt;
  return content;
}

std::optional<std::string> read_whole(const std::string& path) {
  return read_file(path, kReadingBytesMax, O_NOFOLLOW | O_NONBLOCK);
}

// What a reader finds halfway doesn't match its checksum; what cannot be written is not shared.
void write_whole(const std::string& path, std::string_view text) {
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat found {};
  if (!file || ::fstat(file.get(), &found) != 0 || found.st_nlink != 1) return;
  if (!write_all(file.get(), text)) return;
  struct stat now {};
  const auto size = static_cast<off_t>(text.size());
  if (::fstat(file.get(), &now) == 0 && now.st_size == size) return;
  [[maybe_unused]] const int ignored = ::ftruncate(file.get(), size);
}

// For how long the reading of who sees more GPUs is kept.
constexpr std::chrono::minutes kKeptFor{1};

std::string heading(const Reuse& reuse) { return reuse.probe + "\n" + reuse.view + "\n"; }

// Who left the reading, and the reading.
struct Left {
  std::string heading;
  std::string text;
};

std::optional<Left> find_left(const std::string& file) {
  const std::optional<std::string> text = read_whole(file);
  const std::optional<std::string> content = text ? unsealed(*text) : std::nullopt;
  if (!content) return std::nullopt;
  const std::size_t end = content->find('\n', content->find('\n') + 1);
  if (end == std::string::npos) return std::nullopt;
  return Left{content->substr(0, end + 1), content->substr(end + 1)};
}

// A reading of this boot by the same probe of the same GPUs, whose pids mean something to the
// observer.
std::optional<Observation> load(const Reuse& reuse) {
  const ProcessIdentity& observer = reuse.observer;
  const std::optional<Left> left = find_left(reuse.file);
  if (!left || left->heading != heading(reuse)) return std::nullopt;
  try {
    Observation shared = parse_observation(left->text);
    if (shared.taken.boot_id != observer.boot_id) return std::nullopt;
    if (shared.observer.pid_namespace != observer.pid_namespace) return std::nullopt;
    shared.observer = observer;
    return shared;
  } catch (const Error&) {
    return std::nullopt;  // anybody who may use the pool may have written it
  }
}

// Whether the file has a recent reading of somebody who sees more GPUs than there are in this one.
bool hides_more(const Reuse& reuse, const Observation& reading) {
  const std::optional<Left> left = find_left(reuse.file);
  if (!left || left->heading == heading(reuse)) return false;
  try {
    const Observation other = parse_observation(left->text);
    return other.gpus.size() > reading.gpus.size() && age(other.taken, reading.taken) < kKeptFor;
  } catch (const Error&) {
    return false;
  }
}

bool has_ended_since(const GpuProcess& read, const ProcReader& proc) {
  if (!read.start_ticks) return false;
  // What /proc shows no more may be hidden from the caller, who is not whoever read the GPUs.
  const auto now = proc.start_ticks(read.pid);
  return now ? *now != *read.start_ticks : has_ended("", read.pid);
}

// Whether a process has ended since: it may have given back what it held.
bool has_lost_a_process(const Observation& shared, const ProcReader& proc) {
  return std::any_of(shared.gpus.begin(), shared.gpus.end(), [&](const GpuReading& gpu) {
    return std::any_of(gpu.processes.begin(), gpu.processes.end(),
                       [&](const GpuProcess& process) { return has_ended_since(process, proc); });
  });
}

// Asks /proc about those that still live and about which nobody has asked. Their starts tell
// whether it is still they.
void fill(Observation& reading, ProcReader& proc, Duration timeout) {
  std::vector<GpuProcess*> living;
  std::vector<GpuProcess> before;
  for (GpuProcess* process : listed_processes(reading)) {
    if (process->asked_proc) continue;
    const bool has_ended = has_ended_since(*process, proc);
    if (!has_ended) before.push_back(*process);
    process->start_ticks.reset();
    if (!has_ended) living.push_back(process);
  }
  fill_in_time(living, proc, timeout);
  for (std::size_t i = 0; i < living.size(); ++i) {
    const bool is_another = before[i].start_ticks && living[i]->start_ticks &&
                            living[i]->start_ticks != before[i].start_ticks;
    if (!is_another) continue;
    *living[i] = std::move(before[i]);
    living[i]->start_ticks.reset();
  }
}

// Enters the start of each process, by which others know it again.
void add_starts(Observation& reading, const ProcReader& proc) {
  for (GpuProcess* process : listed_processes(reading)) {
    if (!process->asked_proc) process->start_ticks = proc.start_ticks(process->pid);
  }
}

// The reading without what /proc told of the processes, but for their starts.
Observation for_everybody(Observation reading) {
  for (GpuProcess* process : listed_processes(reading)) {
    if (!process->asked_proc) continue;
    GpuProcess shared;
    shared.pid = process->pid;
    shared.start_ticks = process->start_ticks;
    shared.memory_mib = process->memory_mib;
    if (!process->uid)
      shared.program = std::move(process->program);  // the tool's word, not /proc's
    shared.type = process->type;
    *process = std::move(shared);
  }
  return reading;
}

}  // namespace

SharedProbe::SharedProbe(const Clock& clock, Reuse reuse, std::function<Observation()> read,
                         ProcReader proc)
    : clock_(clock), reuse_(std::move(reuse)), read_(std::move(read)), proc_(std::move(proc)) {}

std::optional<Observation> SharedProbe::good_reading() const {
  std::optional<Observation> shared = load(reuse_);
  if (!shared || is_before(shared->taken, reuse_.not_before)) return std::nullopt;
  if (is_before(clock_.now(), shared->taken)) return std::nullopt;  // from the future: damaged
  if (sees_host_pids(reuse_.observer) && has_lost_a_process(*shared, proc_)) return std::nullopt;
  return shared;
}

Observation SharedProbe::cached_or_new_reading() {
  if (auto shared = good_reading()) return *shared;
  std::optional<FileLock> lock;
  try {
    lock.emplace(reuse_.file, "the reading of the GPUs", reuse_.patience);
    if (auto shared = good_reading()) return *shared;
  } catch (const Error&) {
    // There is no such file, or who has it is in trouble: then everybody reads for themselves.
  }
  Observation reading = read_();
  reading.observer = reuse_.observer;
  if (sees_host_pids(reuse_.observer)) add_starts(reading, proc_);
  if (lock && !hides_more(reuse_, reading)) {
    write_whole(reuse_.file, sealed(heading(reuse_) + observation_text(for_everybody(reading))));
  }
  return reading;
}

Observation SharedProbe::read_gpus() {
  const auto started = SteadyClock::now();
  // Nobody else waits for what /proc still has to tell this one: the file is no longer locked.
  Observation reading = cached_or_new_reading();
  const auto passed = SteadyClock::now() - started;
  if (sees_host_pids(reuse_.observer)) fill(reading, proc_, reuse_.timeout - passed);
  return reading;
}

void create_reading_file(const std::string& file) {
  const UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (fd) [[maybe_unused]]
    const int ignored = ::fchmod(fd.get(), 0666);  // whatever the umask
}

std::optional<Observation> last_reading(const Reuse& reuse, ProcReader proc) {
  std::optional<Observation> shared = load(reuse);
  if (shared && sees_host_pids(reuse.observer)) fill(*shared, proc, reuse.patience);
  return shared;
}

}  // namespace chg
