#include "app/context.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>
#include <vector>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/accounts.h"
#include "base/error.h"
#include "base/text.h"
#include "probe/processes/device_holders.h"
#include "probe/processes/proc_reader.h"
#include "process/identity.h"
#include "process/job.h"
#include "view/model_detection.h"

namespace chg {
namespace {

// Throws where nobody tells.
bool is_member_of(const std::string& group_name, const Caller& caller) {
  const auto gid = group_name.empty() ? std::nullopt : gid_of_group(group_name);
  const auto& groups = caller.groups;
  return gid && std::find(groups.begin(), groups.end(), *gid) != groups.end();
}

// Who is not known to be a member has not its rights.
bool is_known_member_of(const std::string& group_name, const Caller& caller) {
  try {
    return is_member_of(group_name, caller);
  } catch (const Error&) {
    return false;
  }
}

// Another user namespace counts its own accounts, and has one number for all others: of the
// processes that were seen from there, the caller's alone have an owner.
void disown_strangers(std::vector<GpuProcess>& processes, const Caller& caller) {
  for (GpuProcess& process : processes) {
    const bool is_own =
        process.uid == caller.uid_here && caller.user_namespace == UserNamespace::Other;
    process.uid = is_own ? std::optional(caller.account.uid) : std::nullopt;
    process.user.clear();
  }
}

// Names the owners of the processes, where no tool has named them; those whose names nobody tells,
// by their uids.
void name_owners(Observation& observation, const Caller& caller) {
  std::vector<GpuProcess*> nameless;
  std::set<std::uint32_t> uids;
  const auto look_at = [&](std::vector<GpuProcess>& processes) {
    if (caller.user_namespace != UserNamespace::First) disown_strangers(processes, caller);
    for (GpuProcess& process : processes) {
      if (!process.uid || !process.user.empty()) continue;
      nameless.push_back(&process);
      uids.insert(*process.uid);
    }
  };
  for (GpuReading& gpu : observation.gpus) {
    look_at(gpu.processes);
    look_at(gpu.suspects);
  }
  const auto names = names_of_accounts(uids);
  for (GpuProcess* const process : nameless) {
    const auto name = names.find(*process->uid);
    process->user = name == names.end() ? std::to_string(*process->uid) : name->second;
  }
}

// How old a reading may be that people are shown.
constexpr Duration kCachedAgeMax = std::chrono::milliseconds(500);

// The moment before which nothing may have been seen, to be shown now: what was released since then
// would still look used. What was released in another boot was released before.
Instant cached_since(const Pool& pool, const Instant& now) {
  Instant begin{now.wall - kCachedAgeMax, now.boot - kCachedAgeMax, now.boot_id};
  for (const Gpu& gpu : pool.gpus) {
    const auto& released = gpu.last_released;
    if (!released || are_of_different_boots(now, *released)) continue;
    if (is_before(begin, *released)) begin = *released;
  }
  return begin;
}

// The kernel's driver of the GPUs that a probe reads; "": they are simulated.
std::string driver_of(const std::string& probe) {
  if (probe == "fake") return "";
  return probe == "amd" ? "amdgpu" : "nvidia";
}

// For people who look; nothing is decided by it.
bool tells_model(std::string_view command_line) {
  return detect_served_model(command_line).has_value();
}

[[noreturn]] void refuse_without_pool() {
  throw Error(ErrorKind::Failed, "there is no pool on this host yet",
              "set it up with: canhazgpu admin");
}

}  // namespace

Circumstances Context::circumstances(const Observation* observation) const {
  return {now(), liveness, observation, 0, blind_spot().empty()};
}

const Caller& Context::caller() const {
  if (caller_.user_namespace != UserNamespace::Untold) return caller_;
  throw Error(ErrorKind::NotPermitted,
              fmt::format("cannot tell which account of the host asks: uid {} of this user "
                          "namespace stands for none that is known",
                          caller_.uid_here),
              "ask outside of this container or namespace; looking is possible here, too");
}

Caller Context::caller_in(const Pool& pool) const {
  Caller result = caller();
  const std::uint32_t uid = result.account.uid;
  // In another user namespace anybody can mount an /etc/passwd of his own.
  const bool is_first = result.user_namespace == UserNamespace::First;
  result.account.name = is_first ? name_of_account(uid) : std::to_string(uid);
  result.is_admin = result.is_admin || is_known_member_of(pool.admin_group, result);
  return result;
}

Request Context::request_of_caller(const Pool& pool) const {
  const Caller caller = caller_in(pool);
  Request request;
  request.account = caller.account;
  request.unnamed = caller.user_namespace != UserNamespace::First;
  request.groups = limited_groups(pool.policy);
  request.process_threshold_mib = options_.view.process_threshold_mib;
  request.memory_threshold_mib = options_.view.memory_threshold_mib;
  return request;
}

std::vector<std::string> Context::supervised_runs() const {
  return store_is_file() ? std::vector<std::string>() : chg::supervised_runs(options_.store_path);
}

Store& Context::store() {
  if (!store_) store_ = world_.open_store(store_address());
  return *store_;
}

std::string Context::fake_file() const {
  if (!options_.fake_file.empty()) return options_.fake_file;
  const std::filesystem::path directory =
      store_is_file() ? std::filesystem::path(options_.store_path).parent_path()
                      : std::filesystem::path(options_.state_directory);
  return directory / "fake-gpus.json";
}

std::string Context::reading_file() const {
  if (store_is_file()) return options_.store_path + "-reading";
  return options_.state_directory + "/reading";
}

ProbeChoice Context::choice(const Pool& pool, const std::string& probe,
                            const Instant& not_before) const {
  const std::uint64_t own_threshold = seen_with(pool.policy, options_.view).memory_threshold_mib;
  return {probe == "auto" ? pool.provider : probe,
          options_.probe_timeout,
          fake_file(),
          reading_file(),
          not_before,
          own_place(),
          caller_.uid_here,
          {},
          std::min(own_threshold, pool.policy.memory_threshold_mib)};
}

// Only root and whoever owns the store say of a GPU that no tool finds that it is lost, and only
// where the device files of all GPUs can be used.
bool Context::may_miss_gpus(const std::string& probe) const {
  struct stat file {};
  const bool owns_store = store_is_file() && ::stat(options_.store_path.c_str(), &file) == 0 &&
                          file.st_uid == caller_.uid_here;
  return (!caller_.is_admin && !owns_store) || !may_use_all_devices(driver_of(probe));
}

Observation Context::read_with(const ProbeChoice& choice, const Policy& policy) const {
  const auto started = SteadyClock::now();
  Observation observation = world_.make_probe(choice)->read_gpus();
  observation.observer = choice.observer;
  observation.is_partial = observation.is_partial || may_miss_gpus(choice.name);
  refuse_twins(observation);
  ProcReader proc;
  const auto passed = SteadyClock::now() - started;
  find_suspects(observation, policy, proc, choice.timeout - passed);
  name_owners(observation, caller_);
  return observation;
}

Observation Context::read_gpus(const Pool& pool) {
  return read_with(choice(pool, pool.policy.probe, now()), pool.policy);
}

bool Context::has_own_probe(const Pool& pool) const {
  return !options_.probe.empty() && options_.probe != pool.policy.probe;
}

Observation Context::cached_reading(const Pool& pool) {
  const Policy policy = seen_with(pool.policy, options_.view);
  const bool is_own = has_own_probe(pool);
  ProbeChoice probe = is_own ? choice(pool, options_.probe, now())
                             : choice(pool, policy.probe, cached_since(pool, now()));
  if (is_own) probe.shared_file.clear();
  probe.tells_model = tells_model;
  return read_with(probe, policy);
}

std::optional<Observation> Context::last_reading(const Pool& pool) const {
  ProbeChoice probe = choice(pool, pool.policy.probe, {});
  probe.tells_model = tells_model;
  std::optional<Observation> reading = world_.last_reading(probe);
  if (!reading) return reading;
  reading->is_partial = reading->is_partial || may_miss_gpus(probe.name);
  refuse_twins(*reading);
  name_owners(*reading, caller_);
  return reading;
}

const Pool& Context::known() {
  if (!known_) {
    Pool pool = store().read_policy();
    if (pool.provider.empty()) refuse_without_pool();
    known_ = std::move(pool);
  }
  return *known_;
}

Observation Context::read_gpus() {
  const Pool& pool = known();
  try {
    return read_gpus(pool);
  } catch (const Error&) {
    // Where the pool is another host's, that is what is wrong here.
    require_this_host(*this, store().read());
    throw;
  }
}

std::vector<std::string> Context::limited_groups(const Policy& policy) const {
  constexpr std::string_view kGroup = "group.";
  std::vector<std::string> groups;
  for (const Limits& limits : policy.limits) {
    if (!limits.subject.starts_with(kGroup)) continue;
    std::string name = limits.subject.substr(kGroup.size());
    if (is_member_of(name, caller_)) groups.push_back(std::move(name));
  }
  return groups;
}

void require_pool(const Pool& pool) {
  if (pool.gpus.empty()) refuse_without_pool();
}

bool is_of_another_host(const Pool& pool) {
  return pool.host != HostIdentity{} && !is_same_host(pool.host, this_host());
}

void require_this_host(const Context& context, const Pool& pool) {
  if (!is_of_another_host(pool)) return;
  throw Error(
      ErrorKind::Failed,
      fmt::format("the pool in '{}' is of host '{}', and this is host '{}'",
                  context.options().store_path, printable(pool.host.name, 60), this_host().name),
      context.store_is_file()
          ? "give each host a file of its own (--store), or share a Redis; a host that was "
            "renamed: canhazgpu admin --force"
          : "give each host a prefix of its own (redis.prefix), and look at others with: "
            "canhazgpu status --all");
}

void note_this_host(Pool& pool) {
  const HostIdentity here = this_host();
  // The name that a container was given is not the host's.
  if (!is_same_host(pool.host, here) || knows_host_name()) pool.host.name = here.name;
  pool.host.boot_id = here.boot_id;
}

void require_owner(const Pool& pool, const Caller& caller) {
  // Root is an admin, but not from another user namespace.
  const bool is_creator = caller.account.uid == pool.creator_uid && pool.creator_uid != 0;
  if (caller.is_admin || is_creator) return;
  refuse_stranger();
}

void refuse_stranger() {
  throw Error(ErrorKind::NotPermitted,
              "only root, the admin group and whoever set the pool up may change it",
              "run it with sudo");
}

}  // namespace chg
