#include "sim/machine.h"

#include <algorithm>

#include <fmt/format.h>

#include "sim/indices.h"

namespace chg::sim {
namespace {

// Small, so that pids are soon used again.
constexpr std::size_t kPids = 48;
constexpr std::uint64_t kNamespaceBase = 4026531836;
// What a driver holds of an idle GPU.
constexpr std::uint64_t kIdleMib = 4;

std::string boot_name(int boot) { return fmt::format("boot-{}", boot); }

int boot_number(const std::string& name) { return std::stoi(name.substr(5)); }

std::uint64_t namespace_of(int space) { return kNamespaceBase + static_cast<std::uint64_t>(space); }

// A container has a name of its own.
std::string host_name(int space) { return space == 0 ? "host" : fmt::format("box{}", space); }

}  // namespace

Machine::Machine(int gpus)
    : now_{WallTime(std::chrono::seconds(1795525200)), std::chrono::hours(100), boot_name(0)},
      pids_(kSpaces, std::vector<int>(kPids, kNobody)),
      last_pid_(kSpaces, 0),
      users_(at(gpus)),
      faults_(at(gpus), Fault::None) {
  for (int gpu = 0; gpu < gpus; ++gpu) uuids_.push_back(fmt::format("GPU-{}", gpu));
  for (int space = 0; space < kSpaces; ++space) {
    liveness_.emplace_back(
        [this, space](const ProcessIdentity& identity) { return state_of(identity, space); });
  }
}

void Machine::advance(Duration by) {
  if (by == Duration::zero()) return;
  now_.wall += by;
  now_.boot += by;
  latest_wall_ = std::max(latest_wall_, now_.wall);
}

void Machine::set_wall(WallTime wall) {
  if (wall < now_.wall)
    behind_until_ = std::max(behind_until_, now_.wall + std::chrono::milliseconds(1));
  now_.wall = wall;
}

void Machine::step_wall(Duration by) { set_wall(now_.wall + by); }

void Machine::reboot(Duration wall_gap) {
  while (!living_.empty()) kill(living_.back());
  ++version_;
  ++boot_;
  set_wall(now_.wall + wall_gap);
  now_.boot = std::chrono::seconds(20);
  now_.boot_id = boot_name(boot_);
}

bool Machine::is_earlier(const Instant& a, const Instant& b) const {
  if (a.boot_id == b.boot_id) return a.boot < b.boot;
  return boot_number(a.boot_id) < boot_number(b.boot_id);
}

int Machine::new_pid(int space, int key) {
  std::vector<int>& table = pids_[at(space)];
  int& last = last_pid_[at(space)];
  for (std::size_t tried = 0; tried < table.size(); ++tried) {
    last = last + 1 == static_cast<int>(table.size()) ? 1 : last + 1;
    if (is_alive(table[at(last)])) continue;
    table[at(last)] = key;
    return last;
  }
  table.push_back(key);
  return static_cast<int>(table.size()) - 1;
}

void Machine::correct_clock() { now_.wall = std::max(now_.wall, latest_wall_); }

Process& Machine::start(int key, std::uint32_t uid, int space, int job) {
  if (at(key) >= processes_.size()) processes_.resize(at(key) + 1);
  Process& process = processes_[at(key)];
  process.key = key;
  process.uid = uid;
  process.job = job;
  process.space = space;
  process.boot = boot_;
  process.ticks = ++ticks_;
  process.pid = new_pid(space, key);
  process.host_pid = space == 0 ? process.pid : new_pid(0, key);
  process.alive = true;
  living_.push_back(key);
  return process;
}

void Machine::use(Process& process, const std::vector<int>& gpus, std::uint64_t memory_mib) {
  ++version_;
  process.memory_mib = memory_mib;
  for (const int gpu : gpus) {
    std::vector<int>& users = users_[at(gpu)];
    if (std::find(users.begin(), users.end(), process.key) != users.end()) continue;
    users.push_back(process.key);
    process.gpus.push_back(gpu);
  }
}

void Machine::kill(int key) {
  if (!is_alive(key)) return;
  ++version_;
  Process& process = processes_[at(key)];
  process.alive = false;
  for (const int gpu : process.gpus) std::erase(users_[at(gpu)], key);
  std::erase(living_, key);
}

void Machine::stop(int key, bool stopped) {
  if (is_alive(key)) processes_[at(key)].stopped = stopped;
}

const Process* Machine::find(int key) const {
  const bool is_known = key >= 0 && at(key) < processes_.size() && processes_[at(key)].pid != 0;
  return is_known ? &processes_[at(key)] : nullptr;
}

bool Machine::is_alive(int key) const {
  const Process* process = find(key);
  return process != nullptr && process->alive;
}

bool Machine::can_act(int key) const {
  const Process* process = find(key);
  return process != nullptr && process->alive && !process->stopped;
}

ProcessIdentity Machine::identity(int key) const {
  const Process& process = processes_[at(key)];
  return identity_from(process, process.space);
}

ProcessIdentity Machine::identity_from(const Process& process, int space) const {
  const int pid = space == process.space ? process.pid : process.host_pid;
  return {host_name(space), boot_name(process.boot), namespace_of(space), pid, process.ticks};
}

Liveness Machine::state_of(const ProcessIdentity& identity, int space) const {
  if (identity.boot_id != now_.boot_id) {
    return identity.host == host_name(space) ? Liveness::Gone : Liveness::Unseen;
  }
  if (identity.pid_namespace != namespace_of(space)) return Liveness::Unseen;
  const std::vector<int>& table = pids_[at(space)];
  if (at(identity.pid) >= table.size()) return Liveness::Gone;
  const Process* process = find(table[at(identity.pid)]);
  if (process == nullptr || !process->alive || process->ticks != identity.start_ticks) {
    return Liveness::Gone;
  }
  return process->stopped ? Liveness::Stopped : Liveness::Alive;
}

void Machine::set_fault(int gpu, Fault fault) {
  ++version_;
  faults_[at(gpu)] = fault;
}

// What the tool, and /proc, say of a process.
GpuProcess Machine::listing(const Process& process, int space) const {
  GpuProcess listed;
  listed.pid = space == process.space ? process.pid : process.host_pid;
  if (!process.hides_memory) listed.memory_mib = process.memory_mib;
  if (process.hides_owner) return listed;
  listed.start_ticks = process.ticks;
  listed.uid = process.uid;
  listed.program = process.is_ignored ? "Xorg" : "python3";
  if (process.is_ignored) listed.system_program = listed.program;
  if (!process.hides_environment) {
    listed.reservation_id = process.job == kNobody ? "" : fmt::format("c{}", process.job);
  }
  return listed;
}

// The memory that the ignored programs which can be seen hold, as far as it is told.
std::uint64_t Machine::held_by_ignored(int gpu, int space) const {
  std::uint64_t held = 0;
  for (const int key : users_[at(gpu)]) {
    const Process& process = processes_[at(key)];
    const bool is_seen = (space == 0 || space == process.space) && !process.hides_owner;
    if (is_seen && process.is_ignored && !process.hides_memory) held += process.memory_mib;
  }
  return held;
}

// Fills in what the tool says, and what is true of it by rule 15 of docs/semantics.md.
void Machine::see(int gpu, int space, GpuReading& reading, Seen& seen) const {
  const bool lost = faults_[at(gpu)] == Fault::Lost;
  std::uint64_t total = kIdleMib;
  std::uint64_t counted = 0;
  std::uint64_t unlisted = kIdleMib;
  bool counted_unknown = false;
  bool listed_unknown = false;
  const Policy policy;
  const bool ignores = held_by_ignored(gpu, space) <= policy.memory_threshold_mib;
  for (const int key : users_[at(gpu)]) {
    const Process& process = processes_[at(key)];
    total += process.memory_mib;
    // In a container only its own processes are shown; the memory of all is.
    if (lost || (space != 0 && space != process.space)) {
      unlisted += process.memory_mib;
      continue;
    }
    reading.processes.push_back(listing(process, space));
    listed_unknown = listed_unknown || process.hides_memory;
    if (ignores && process.is_ignored && !process.hides_owner) continue;
    seen.processes.push_back(key);
    if (process.hides_owner) {
      seen.users_known = false;
    } else {
      seen.uids.push_back(process.uid);
    }
    counted += process.memory_mib;
    counted_unknown = counted_unknown || process.hides_memory;
  }
  std::sort(seen.uids.begin(), seen.uids.end());
  seen.uids.erase(std::unique(seen.uids.begin(), seen.uids.end()), seen.uids.end());
  if (lost) {
    reading.error = "GPU is lost";
    seen.use = Seen::Use::Broken;
    seen.readable = false;
    return;
  }
  if (faults_[at(gpu)] == Fault::HidesMemory) {
    seen.use = seen.processes.empty() ? Seen::Use::Broken : Seen::Use::Used;
    return;
  }
  reading.memory_used_mib = total;
  const std::uint64_t nobodys = listed_unknown ? 0 : unlisted;
  const bool used = counted_unknown || counted > policy.process_threshold_mib ||
                    (listed_unknown ? total : unlisted) > policy.memory_threshold_mib;
  seen.use = used ? Seen::Use::Used : Seen::Use::Free;
  const bool all_listed = !seen.processes.empty() && nobodys <= policy.memory_threshold_mib;
  seen.users_known = seen.users_known && all_listed;
}

Sight Machine::look(int space) const {
  if (probe_fails_) return nullptr;
  auto sighting = std::make_shared<Sighting>();
  sighting->version = version_;
  sighting->space = space;
  sighting->gpus.resize(users_.size());
  Observation& observation = sighting->observation;
  observation.taken = now_;
  observation.observer = {host_name(space), now_.boot_id, namespace_of(space), 1, 1};
  observation.gpus.reserve(users_.size());
  for (std::size_t gpu = 0; gpu < users_.size(); ++gpu) {
    Seen& seen = sighting->gpus[gpu];
    if (faults_[gpu] == Fault::Missing) {
      seen.use = Seen::Use::Broken;
      seen.readable = false;
      continue;
    }
    GpuReading& reading = observation.gpus.emplace_back();
    reading.index = static_cast<int>(gpu);
    reading.uuid = uuids_[gpu];
    see(static_cast<int>(gpu), space, reading, seen);
  }
  return sighting;
}

Sight Machine::blinded(const Sighting& last) const {
  auto sighting = std::make_shared<Sighting>(last);
  sighting->observation.taken = now_;
  for (GpuReading& reading : sighting->observation.gpus) reading.error = "can't be read";
  for (Seen& seen : sighting->gpus) {
    seen = Seen{};
    seen.use = Seen::Use::Broken;
    seen.readable = false;
  }
  return sighting;
}

}  // namespace chg::sim
