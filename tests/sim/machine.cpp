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

// A container's own begins anew with the host, and says so here.
std::string boot_id_of(int boot, const Place& place) {
  return boot_name(boot) + (place.has_own_boot ? "-box" : "");
}

int boot_number(const std::string& name) { return std::stoi(name.substr(5)); }

std::uint64_t namespace_of(int space, bool is_in_own_time) {
  constexpr std::uint64_t kTimeNamespace = 4026532448;
  const std::uint64_t time = is_in_own_time ? kTimeNamespace : 0;
  return (kNamespaceBase + static_cast<std::uint64_t>(space)) | time << 32U;
}

// A container has a name of its own.
std::string host_name(const Place& place) {
  return place.space == 0 ? "host" : fmt::format("box{}", place.space);
}

void add_uid(Listed& listed, std::uint32_t uid) {
  const auto place = std::lower_bound(listed.uids.begin(), listed.uids.end(), uid);
  if (place == listed.uids.end() || *place != uid) listed.uids.insert(place, uid);
}

bool hides_from(const Process& process, const Place& place) {
  return place.is_hidden_from && process.uid != place.uid;
}

}  // namespace

Listed Seen::counted(const Policy& policy) const {
  if (ignored.mib <= policy.memory_threshold_mib) return others;
  Listed all = others;
  all.keys = keys;
  for (const std::uint32_t uid : ignored.uids) add_uid(all, uid);
  all.mib += ignored.mib;
  all.hides_memory = all.hides_memory || ignored.hides_memory;
  return all;
}

Seen::Use Seen::use(const Policy& policy) const {
  if (!is_readable()) return Use::Broken;
  const Listed all = counted(policy);
  if (hides_memory) return all.keys.empty() ? Use::Broken : Use::Used;
  const bool lists_unknown = others.hides_memory || ignored.hides_memory;
  const bool is_used = all.hides_memory || all.mib > policy.process_threshold_mib ||
                       (lists_unknown ? total_mib : unlisted_mib) > policy.memory_threshold_mib;
  return is_used ? Use::Used : Use::Free;
}

bool Seen::users_known(const Policy& policy) const {
  if (hides_memory) return owners_known;
  const bool lists_unknown = others.hides_memory || ignored.hides_memory;
  const std::uint64_t nobodys = lists_unknown ? 0 : unlisted_mib;
  return owners_known && !counted(policy).keys.empty() && nobodys <= policy.memory_threshold_mib;
}

Machine::Machine(int gpus)
    : now_{WallTime(std::chrono::seconds(1795525200)), std::chrono::hours(100), boot_name(0)},
      pids_(kSpaces, std::vector<int>(kPids, kNobody)),
      last_pid_(kSpaces, 0),
      users_(at(gpus)),
      faults_(at(gpus), Fault::None) {
  for (int gpu = 0; gpu < gpus; ++gpu) uuids_.push_back(fmt::format("GPU-{}", gpu));
}

Instant Machine::now(const Place& place) const {
  return {now_.wall + place.ahead, now_.boot, boot_id_of(boot_, place)};
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
  const int first = boot_number(a.boot_id);
  const int second = boot_number(b.boot_id);
  return first == second ? a.boot < b.boot : first < second;
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

Process& Machine::start(int key, std::uint32_t uid, const Place& place, int job,
                        const std::string& carried) {
  if (at(key) >= processes_.size()) processes_.resize(at(key) + 1);
  Process& process = processes_[at(key)];
  process.key = key;
  process.uid = uid;
  process.job = job;
  process.carried = carried;
  process.space = place.space;
  process.is_in_own_time = place.is_in_own_time;
  process.boot = boot_;
  process.ticks = ++ticks_;
  process.pid = new_pid(place.space, key);
  process.host_pid = place.space == 0 ? process.pid : new_pid(0, key);
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
  Place own;
  own.space = process.space;
  own.is_in_own_time = process.is_in_own_time;
  return identity_from(process, own);
}

ProcessIdentity Machine::identity_from(const Process& process, const Place& place) const {
  const int pid = place.space == process.space ? process.pid : process.host_pid;
  return {host_name(place), boot_id_of(process.boot, place),
          namespace_of(place.space, place.is_in_own_time), pid, process.ticks};
}

LivenessOf Machine::liveness(const Place& place) const {
  return [this, &place](const ProcessIdentity& identity) { return state_of(identity, place); };
}

bool Machine::is_seen(const Process& process, const Place& place) const {
  const bool is_here = process.space == place.space && !process.is_in_own_time &&
                       process.boot == boot_ && place.can_judge();
  const Process* there = is_here ? find(pids_[at(process.space)][at(process.pid)]) : nullptr;
  return there != nullptr && (!there->alive || !hides_from(*there, place));
}

bool Machine::may_live(const Process& process, const Place& place) const {
  const int pid = place.space == process.space ? process.pid : process.host_pid;
  const Process* there = find(pids_[at(place.space)][at(pid)]);
  return process.alive || (there != nullptr && there->alive && hides_from(*there, place));
}

bool Machine::may_act(int key, const Place& place) const {
  const Process* process = find(key);
  return process != nullptr && (can_act(key) || !is_seen(*process, place));
}

bool Machine::is_of_this_boot(const Instant& moment) const {
  return boot_number(moment.boot_id) == boot_;
}

Liveness Machine::state_of(const ProcessIdentity& identity, const Place& place) const {
  const bool is_of_this_boot = identity.boot_id == boot_id_of(boot_, place);
  if (!is_of_this_boot && identity.host != host_name(place)) return Liveness::Unseen;
  const bool is_of_own_namespace =
      identity.pid_namespace == namespace_of(place.space, place.is_in_own_time) &&
      !place.sees_foreign_proc;
  Liveness seen = is_of_own_namespace ? Liveness::Gone : Liveness::Unseen;
  const std::vector<int>& table = pids_[at(place.space)];
  const bool is_pid = is_of_own_namespace && at(identity.pid) < table.size();
  const Process* process = is_pid ? find(table[at(identity.pid)]) : nullptr;
  if (process != nullptr && process->alive) {
    const bool is_it = process->ticks == identity.start_ticks;
    if (hides_from(*process, place)) {
      seen = Liveness::Hidden;
    } else if (is_it) {
      seen = process->stopped ? Liveness::Stopped : Liveness::Alive;
    }
  }
  if (is_of_this_boot || seen == Liveness::Alive || seen == Liveness::Stopped) return seen;
  return Liveness::OtherBoot;
}

void Machine::set_fault(int gpu, Fault fault) {
  ++version_;
  faults_[at(gpu)] = fault;
}

// What the tool, and /proc, say of a process.
GpuProcess Machine::listing(const Process& process, const Place& place) const {
  GpuProcess listed;
  listed.pid = place.space == process.space ? process.pid : process.host_pid;
  if (!process.hides_memory) listed.memory_mib = process.memory_mib;
  if (process.hides_owner || hides_from(process, place)) return listed;
  listed.start_ticks = process.ticks;
  listed.uid = process.uid;
  listed.program = process.is_ignored ? "Xorg" : "python3";
  if (process.is_ignored) listed.system_program = listed.program;
  if (!process.hides_environment) {
    listed.reservation_id = process.carried;
  }
  return listed;
}

// Fills in what the tool says, and what is true of it.
void Machine::see(int gpu, const Place& place, GpuReading& reading, Seen& seen) const {
  seen.is_listed = true;
  seen.is_lost = faults_[at(gpu)] == Fault::Lost;
  seen.hides_memory = faults_[at(gpu)] == Fault::HidesMemory;
  seen.total_mib = kIdleMib;
  seen.unlisted_mib = kIdleMib;
  for (const int key : users_[at(gpu)]) {
    const Process& process = processes_[at(key)];
    seen.total_mib += process.memory_mib;
    // In a container only its own processes are shown; the memory of all is.
    if (seen.is_lost || (place.space != 0 && place.space != process.space)) {
      seen.unlisted_mib += process.memory_mib;
      continue;
    }
    const bool hides_owner = process.hides_owner || hides_from(process, place);
    reading.processes.push_back(listing(process, place));
    Listed& listed = process.is_ignored && !hides_owner ? seen.ignored : seen.others;
    listed.keys.push_back(key);
    seen.keys.push_back(key);
    if (hides_owner) {
      seen.owners_known = false;
    } else {
      add_uid(listed, process.uid);
    }
    // Of the ignored ones only what is told.
    const bool is_told = !process.hides_memory || &listed == &seen.others;
    if (is_told) listed.mib += process.memory_mib;
    listed.hides_memory = listed.hides_memory || process.hides_memory;
  }
  if (seen.is_lost) {
    reading.error = "GPU is lost";
  } else if (!seen.hides_memory) {
    reading.memory_used_mib = seen.total_mib;
  }
}

Sight Machine::look(const Place& place) const {
  if (probe_fails_) return nullptr;
  auto sighting = std::make_shared<Sighting>();
  sighting->version = version_;
  sighting->place = place;
  sighting->gpus.resize(users_.size());
  Observation& observation = sighting->observation;
  observation.taken = now(place);
  observation.is_partial = place.is_partial;
  observation.observer = {host_name(place), observation.taken.boot_id,
                          namespace_of(place.space, place.is_in_own_time), 1, 1};
  observation.gpus.reserve(users_.size());
  for (std::size_t gpu = 0; gpu < users_.size(); ++gpu) {
    const int index = static_cast<int>(gpu);
    if (faults_[gpu] == Fault::Missing || holds(place.unseen, index)) continue;
    GpuReading& reading = observation.gpus.emplace_back();
    reading.index = index;
    reading.uuid = uuids_[gpu];
    see(index, place, reading, sighting->gpus[gpu]);
  }
  return sighting;
}

Sight Machine::blinded(const Place& place) const {
  auto sighting = std::make_shared<Sighting>();
  sighting->version = version_;
  sighting->place = place;
  sighting->gpus.resize(users_.size());
  sighting->observation.taken = now(place);
  sighting->observation.is_partial = true;
  return sighting;
}

}  // namespace chg::sim
