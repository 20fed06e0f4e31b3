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
#include "base/unique_fd.h"
#include "probe/observation_text.h"
#include "probe/processes/host_pids.h"
#include "probe/processes/process_facts.h"

namespace chg {
namespace {

constexpr std::size_t kReadingBytesMax = 8U << 20;

// FNV-1a of 64 bits (http://www.isthe.com/chongo/tech/comp/fnv): tells a reading that is just being
// written from one that is whole.
std::uint64_t checksum(std::string_view text) {
  std::uint64_t sum = 14695981039346656037U;
  for (const char c : text) sum = (sum ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return sum;
}

std::string sealed(const std::string& text) {
  return fmt::format("{:016x} {}", checksum(text), text);
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

// What a reader finds halfway doesn't match its checksum; what can't be written is not shared.
void write_whole(const std::string& path, std::string_view text) {
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file) return;
  std::size_t written = 0;
  while (written < text.size()) {
    const ssize_t count = ::pwrite(file.get(), text.data() + written, text.size() - written,
                                   static_cast<off_t>(written));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    written += static_cast<std::size_t>(count);
  }
  struct stat now {};
  const auto size = static_cast<off_t>(text.size());
  if (::fstat(file.get(), &now) == 0 && now.st_size == size) return;
  [[maybe_unused]] const int ignored = ::ftruncate(file.get(), size);
}

std::string heading(const Reuse& reuse) { return reuse.probe + "\n"; }

// A reading of this boot by the same probe, whose pids mean something to the observer.
std::optional<Observation> load(const Reuse& reuse) {
  const ProcessIdentity& observer = reuse.observer;
  const std::optional<std::string> text = read_whole(reuse.file);
  const std::optional<std::string> content = text ? unsealed(*text) : std::nullopt;
  if (!content || !content->starts_with(heading(reuse))) return std::nullopt;
  try {
    Observation shared = parse_observation(content->substr(heading(reuse).size()));
    if (shared.taken.boot_id != observer.boot_id) return std::nullopt;
    if (shared.observer.pid_namespace != observer.pid_namespace) return std::nullopt;
    shared.observer = observer;
    return shared;
  } catch (const Error&) {
    return std::nullopt;  // anybody who may use the pool may have written it
  }
}

bool has_ended_since(const GpuProcess& told, const ProcReader& proc) {
  if (!told.start_ticks) return false;
  // What /proc shows no more may be hidden from the caller, who is not whoever read the GPUs.
  const auto now = proc.start_ticks(told.pid);
  return now ? *now != *told.start_ticks : has_ended("", told.pid);
}

// Whether a process has ended since: it may have given back what it held.
bool has_lost_a_process(const Observation& shared, const ProcReader& proc) {
  return std::any_of(shared.gpus.begin(), shared.gpus.end(), [&](const GpuReading& gpu) {
    return std::any_of(gpu.processes.begin(), gpu.processes.end(),
                       [&](const GpuProcess& told) { return has_ended_since(told, proc); });
  });
}

// Asks /proc about those that still live; the first may be known by their facts. Their starts tell
// whether it is still they.
void fill(Observation& told, const std::vector<GpuProcess>& facts, ProcReader& proc,
          Duration deadline) {
  std::vector<GpuProcess*> living;
  std::vector<GpuProcess> before;
  std::size_t place = 0;
  for (GpuProcess* process : listed_processes(told)) {
    if (place < facts.size()) {
      *process = facts[place++];
      continue;
    }
    const bool has_ended = has_ended_since(*process, proc);
    if (!has_ended) before.push_back(*process);
    process->start_ticks.reset();
    if (!has_ended) living.push_back(process);
  }
  fill_in_time(living, proc, deadline);
  for (std::size_t i = 0; i < living.size(); ++i) {
    const bool is_another = before[i].start_ticks && living[i]->start_ticks &&
                            living[i]->start_ticks != before[i].start_ticks;
    if (!is_another) continue;
    *living[i] = std::move(before[i]);
    living[i]->start_ticks.reset();
  }
}

// What the GPU tool told, with the start of each process, by which others know it again.
Observation with_starts(Observation told, const std::vector<GpuProcess>& facts, const Reuse& reuse,
                        const ProcReader& proc) {
  told.observer = reuse.observer;
  if (!sees_host_pids(reuse.observer)) return told;
  std::size_t place = 0;
  for (GpuProcess* process : listed_processes(told)) {
    process->start_ticks =
        place < facts.size() ? facts[place].start_ticks : proc.start_ticks(process->pid);
    ++place;
  }
  return told;
}

}  // namespace

SharedProbe::SharedProbe(const Clock& clock, Reuse reuse, std::unique_ptr<Probe> probe,
                         ProcReader proc)
    : clock_(clock), reuse_(std::move(reuse)), probe_(std::move(probe)), proc_(std::move(proc)) {}

std::optional<Observation> SharedProbe::good_reading() const {
  std::optional<Observation> shared = load(reuse_);
  if (!shared || is_before(shared->taken, reuse_.not_before)) return std::nullopt;
  if (is_before(clock_.now(), shared->taken)) return std::nullopt;  // nobody has seen the future
  if (sees_host_pids(reuse_.observer) && has_lost_a_process(*shared, proc_)) return std::nullopt;
  return shared;
}

Observation SharedProbe::told() {
  facts_.clear();
  if (auto shared = good_reading()) return *shared;
  std::optional<FileLock> lock;
  try {
    lock.emplace(reuse_.file, "the reading of the GPUs", reuse_.patience);
    if (auto shared = good_reading()) return *shared;
  } catch (const Error&) {
    // There is no such file, or who has it is in trouble: then everybody reads for themselves.
  }
  Observation told = probe_->look();
  if (sees_host_pids(reuse_.observer)) facts_ = probe_->facts();
  Observation seen = with_starts(std::move(told), facts_, reuse_, proc_);
  if (lock) write_whole(reuse_.file, sealed(heading(reuse_) + observation_text(seen)));
  return seen;
}

Observation SharedProbe::look() {
  const auto started = std::chrono::steady_clock::now();
  // Nobody else waits for what /proc still has to tell this one: the file is no longer locked.
  Observation seen = told();
  const auto passed = std::chrono::steady_clock::now() - started;
  if (sees_host_pids(reuse_.observer)) fill(seen, facts_, proc_, reuse_.deadline - passed);
  return seen;
}

void create_reading_file(const std::string& file) {
  const UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (fd) [[maybe_unused]]
    const int ignored = ::fchmod(fd.get(), 0666);  // whatever the umask
}

std::optional<Observation> last_reading(const Reuse& reuse, ProcReader proc) {
  std::optional<Observation> shared = load(reuse);
  if (shared && sees_host_pids(reuse.observer)) fill(*shared, {}, proc, reuse.patience);
  return shared;
}

}  // namespace chg
