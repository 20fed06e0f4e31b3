#include "app/doctor.h"

#include <cstdlib>
#include <filesystem>
#include <functional>

#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "app/pool_update.h"
#include "base/error.h"
#include "base/file_text.h"
#include "base/poll.h"
#include "base/process_stat.h"
#include "base/text.h"
#include "probe/processes/cgroup_path.h"
#include "probe/processes/host_pids.h"
#include "process/detached.h"
#include "process/identity.h"
#include "process/process_list.h"

namespace chg {
namespace {

std::string kernel() {
  utsname names{};
  uname(&names);
  return std::string(names.release) + " " + names.machine;
}

// The line of /proc itself: "proc /proc proc rw,nosuid,…,hidepid=invisible 0 0". The last one,
// where another was mounted over the first.
bool hides_processes() {
  const std::string mounts = read_file("/proc/self/mounts").value_or("");
  bool hides = false;
  std::string_view rest = mounts;
  while (!rest.empty()) {
    const std::string_view line = cut(rest, '\n');
    if (line.find(" /proc proc ") == std::string::npos) continue;
    const std::size_t option = line.find("hidepid=");
    hides = option != std::string::npos && line.compare(option, 9, "hidepid=0") != 0 &&
            line.compare(option, 11, "hidepid=off") != 0;
  }
  return hides;
}

// Network file systems, by the magic numbers of statfs(2).
std::string network_file_system(const std::string& folder) {
  struct statfs facts {};
  if (statfs(folder.c_str(), &facts) != 0) return "";
  switch (static_cast<unsigned long>(facts.f_type) & 0xFFFFFFFFUL) {
    case 0x6969:
      return "NFS";
    case 0xFF534D42:
    case 0xFE534D42:
    case 0x517B:
      return "a Windows share (SMB)";
    case 0x0BD00BD0:
      return "Lustre";
    case 0x47504653:
      return "GPFS";
    case 0x00C36400:
      return "CephFS";
    case 0x65735546:
      return "a FUSE file system (or virtiofs)";
    case 0x01021997:
      return "a folder of a virtual machine's host (9p)";
    case 0x19830326:
      return "BeeGFS";
    case 0x5346414F:
      return "AFS";
    default:
      return "";
  }
}

std::optional<std::uint64_t> free_mib(const std::string& folder) {
  struct statvfs facts {};
  if (statvfs(folder.c_str(), &facts) != 0) return std::nullopt;
  return facts.f_bavail * facts.f_frsize >> 20U;
}

// The supervisors that have ended, and that process 1 has not waited for.
std::vector<int> zombie_supervisors() {
  std::vector<int> found;
  for (const int pid : all_pids()) {
    const auto stat = read_stat(pid);
    const bool is_one = stat && stat->state == 'Z' && stat->parent == 1;
    if (is_one && stat->name == kSupervisorName) found.push_back(pid);
  }
  return found;
}

// An init waits for them at once.
int unburied_supervisors() {
  if (zombie_supervisors().empty()) return 0;
  wait_ready({}, std::chrono::milliseconds(100));
  return static_cast<int>(zombie_supervisors().size());
}

Attempt attempt(const Context& context, const std::function<void()>& action) {
  const Instant begin = context.now();
  Attempt result;
  try {
    action();
  } catch (const Error& error) {
    result.failure = error.what();
    result.hint = error.hint();
  }
  result.took = age(begin, context.now());
  return result;
}

}  // namespace

Facts gather_facts(Context& context) {
  Facts facts;
  facts.kernel = kernel();
  facts.container = parse_cgroup(read_file("/proc/self/cgroup").value_or("")).container;
  facts.in_first_pid_namespace = sees_host_pids(own_place());
  facts.blind_spot = blind_spot();
  facts.hides_processes = hides_processes();
  const Attempt watching = attempt(context, [] { static_cast<void>(watch(self_identity())); });
  facts.watching_failure = watching.failure;
  facts.watching_hint = watching.hint;
  facts.unburied_supervisors = unburied_supervisors();
  if (const auto first = read_stat(1)) facts.process_1 = first->name;
  facts.cgroups =
      access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0 ? "version 2" : "version 1";
  facts.now = context.now();

  facts.store = context.options().store_path;
  facts.store_is_private = context.options().store_is_private;
  const std::string folder = std::filesystem::path(facts.store).parent_path();
  facts.file_system = network_file_system(folder);
  facts.free_mib = free_mib(folder);
  facts.reading_store = attempt(context, [&] { facts.pool = context.store().read(); });
  if (facts.reading_store.failure.empty()) {
    attempt(context, [&] { facts.store_danger = context.store().danger(); });
    // The pool as it is by now, without what has just ended.
    facts.writing_store =
        attempt(context, [&] { facts.pool = update_pool(context, nullptr, change_nothing); });
  }

  facts.owning_pool = attempt(context, [&] { require_this_host(context, facts.pool); });

  facts.inventory = context.world().take_inventory(context.options().probe_timeout);
  const bool says_provider = !facts.pool.provider.empty() && facts.owning_pool.failure.empty();
  facts.provider = says_provider ? facts.pool.provider : provider_of(facts.inventory);
  if (!facts.provider.empty()) {
    Pool looked_at = facts.pool;
    looked_at.provider = facts.provider;
    facts.looking = attempt(context, [&] { facts.observation = context.read_gpus(looked_at); });
  }
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  facts.visible_devices = visible == nullptr ? "" : visible;
  return facts;
}

}  // namespace chg
