#include "app/diagnosis.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/duration_text.h"
#include "base/file_lock.h"
#include "base/text.h"

namespace chg {
namespace {

using Health = Finding::Health;

// What is written for a reservation takes kilobytes; this is room for a few thousand of them.
constexpr std::uint64_t kFreeMibMin = 16;
// A look that takes longer makes every command feel slow.
constexpr Duration kLookIsSlow = std::chrono::milliseconds(500);
constexpr Duration kWriteIsSlow = std::chrono::milliseconds(250);

class Findings {
 public:
  void good(const char* subject, const std::string& text) { add(Health::Good, subject, text, ""); }
  void notice(const char* subject, const std::string& text, const std::string& advice) {
    add(Health::Notice, subject, text, advice);
  }
  void bad(const char* subject, const std::string& text, const std::string& advice) {
    add(Health::Bad, subject, text, advice);
  }
  std::vector<Finding> take() { return std::move(findings_); }

 private:
  void add(Health health, const char* subject, const std::string& text, const std::string& advice) {
    findings_.push_back({health, subject, text, advice});
  }

  std::vector<Finding> findings_;
};

template <typename Items>
std::string number_of(const Items& items, const char* noun) {
  return count_of(static_cast<std::int64_t>(items.size()), noun);
}

std::string milliseconds_text(Duration duration) {
  return fmt::format("{:.1f} ms", std::chrono::duration<double, std::milli>(duration).count());
}

void examine_host(const Facts& facts, Findings& findings) {
  findings.good("kernel", facts.kernel + ", control groups " + facts.cgroups);
  if (facts.container) {
    findings.notice("container",
                    fmt::format("this is a container ({} {})", facts.container->runtime,
                                facts.container->name.empty() ? facts.container->id.substr(0, 12)
                                                              : facts.container->name),
                    "");
  }
  if (!facts.blind_spot.empty()) {
    findings.notice("judgement",
                    facts.blind_spot +
                        ": nobody can tell from here which runs live, and when a "
                        "reservation has expired, so commands end none of others",
                    "run canhazgpu outside of it, or with the host's /proc");
  }
  if (!facts.watching_failure.empty()) {
    findings.bad("watching", facts.watching_failure, facts.watching_hint);
  }
  if (facts.unburied_supervisors > 0) {
    findings.notice("zombies",
                    fmt::format("process 1 ({}) waits for no children: {} of ended runs left as "
                                "zombies, which hold nothing but their pids",
                                facts.process_1,
                                facts.unburied_supervisors == 1
                                    ? "1 supervisor"
                                    : fmt::format("{} supervisors", facts.unburied_supervisors)),
                    "start the container with an init: docker run --init");
  }
  if (!facts.in_first_pid_namespace) {
    findings.notice(
        "processes",
        "processes of the host cannot be seen from here: owners are unknown, and runs go "
        "by their heartbeats",
        "start the container with --pid=host");
  } else if (facts.hides_processes) {
    findings.notice("processes",
                    "/proc hides other people's processes (hidepid): their owners are unknown",
                    "as root, mount it with gid=GROUP of those who may see them");
  } else {
    findings.good("processes", "all processes of the host can be seen");
  }
}

std::optional<Instant> latest_release(const Pool& pool) {
  std::optional<Instant> latest;
  for (const Gpu& gpu : pool.gpus) {
    if (gpu.last_released && (!latest || latest->wall < gpu.last_released->wall)) {
      latest = gpu.last_released;
    }
  }
  return latest;
}

void examine_clock(const Facts& facts, Findings& findings) {
  const std::string now = to_rfc3339(facts.now.wall);
  const auto released = latest_release(facts.pool);
  if (released && released->wall > facts.now.wall) {
    findings.bad("clock",
                 fmt::format("{}: before the last release, {}", now, to_rfc3339(released->wall)),
                 "set the clock; expiries and reports go by it");
  } else {
    findings.good("clock", now);
  }
}

void examine_store(const Facts& facts, Findings& findings) {
  const std::string where = facts.store + (facts.store_is_private ? " (your own)" : "");
  if (!facts.reading_store.failure.empty()) {
    findings.bad("store", facts.reading_store.failure, facts.reading_store.hint);
  } else if (!facts.writing_store.failure.empty()) {
    findings.bad("store", facts.writing_store.failure, facts.writing_store.hint);
  } else if (facts.writing_store.took > kWriteIsSlow) {
    findings.notice(
        "store",
        fmt::format("{}, a change takes {}", where, milliseconds_text(facts.writing_store.took)),
        "see what else keeps its disk or server busy");
  } else {
    findings.good("store", fmt::format("{}, a change takes {}", where,
                                       milliseconds_text(facts.writing_store.took)));
  }
  if (!facts.store_danger.empty()) {
    findings.bad("store", facts.store_danger,
                 "its administrator has to set: maxmemory-policy noeviction");
  }
  if (facts.store_is_private) {
    findings.notice("sharing", "other users don't see this store",
                    "set up the host's with: sudo canhazgpu admin");
  }
  if (!facts.file_system.empty()) {
    findings.bad(
        "disk",
        fmt::format("the store is on {}, where locks cannot be relied on", facts.file_system),
        kAbleDiskHint);
  }
  if (facts.free_mib && *facts.free_mib < kFreeMibMin) {
    findings.bad("disk", fmt::format("{} MB are left for the store", *facts.free_mib),
                 "make room; without, nothing can be reserved");
  }
}

void examine_pool(const Facts& facts, Findings& findings) {
  const Pool& pool = facts.pool;
  if (!facts.reading_store.failure.empty()) return;
  if (pool.gpus.empty()) {
    findings.bad("pool", "there is no pool in the store yet", "set it up with: canhazgpu admin");
    return;
  }
  if (!facts.owning_pool.failure.empty()) {
    findings.bad("pool", facts.owning_pool.failure, facts.owning_pool.hint);
    return;
  }
  const auto drained = std::count_if(pool.gpus.begin(), pool.gpus.end(),
                                     [](const Gpu& gpu) { return gpu.out_of_service.has_value(); });
  findings.good("pool",
                fmt::format("{} of {}, {} out of service, {}, {} waiting",
                            number_of(pool.gpus, "GPU"), pool.provider, drained,
                            number_of(pool.reservations, "reservation"), pool.queue.size()));
}

void examine_nvidia(const Inventory& inventory, Findings& findings) {
  if (inventory.nvidia_driver) {
    findings.good("driver", "NVIDIA " + *inventory.nvidia_driver);
  } else {
    findings.bad("driver", "the NVIDIA driver is not loaded",
                 "load it (modprobe nvidia), or install it; in a container, start that with the "
                 "NVIDIA runtime");
  }
  if (!inventory.nvml_failure) {
    findings.good("NVML", "libnvidia-ml.so.1 can be loaded");
  } else {
    findings.notice("NVML", *inventory.nvml_failure,
                    "install the driver's library (libnvidia-ml1); until then nvidia-smi is asked, "
                    "which is slower and tells less");
  }
  if (inventory.nvidia_smi) {
    findings.good("nvidia-smi", *inventory.nvidia_smi);
  } else if (inventory.nvml_failure) {
    findings.bad("nvidia-smi", "not in the PATH", "install the driver's tools (nvidia-smi)");
  } else {
    findings.notice("nvidia-smi", "not in the PATH", "");
  }
}

void examine_amd(const Inventory& inventory, Findings& findings) {
  if (inventory.has_kfd) {
    findings.good("driver", "AMD's compute driver (KFD)");
  } else {
    findings.bad("driver", "AMD's compute driver (KFD) is not loaded",
                 "load it (modprobe amdgpu); in a container, pass --device=/dev/kfd "
                 "--device=/dev/dri");
  }
  if (inventory.amd_smi) findings.good("amd-smi", *inventory.amd_smi);
}

void examine_devices(const Facts& facts, Findings& findings) {
  std::vector<std::string> barred;
  for (const DeviceFile& device : facts.inventory.devices) {
    if (!device.is_usable) barred.push_back(device.path);
  }
  const std::size_t count = facts.inventory.devices.size();
  if (count == 0) {
    findings.bad("devices", "no GPU has a device file in /dev",
                 "load the driver; in a container, pass the devices into it");
  } else if (!barred.empty()) {
    findings.bad("devices", fmt::format("you may not use {}", join_names(barred)),
                 facts.provider == "amd" ? "ask to become a member of the groups render and video"
                                         : "ask the administrator for access");
  } else {
    findings.good("devices", fmt::format("{}, all of which you may use",
                                         number_of(facts.inventory.devices, "device file")));
  }
}

// The GPUs that are in the pool against those that were found.
void compare_with_pool(const Facts& facts, Findings& findings) {
  if (facts.pool.gpus.empty() || !facts.owning_pool.failure.empty()) return;
  std::vector<std::string> lost;
  for (const Gpu& gpu : facts.pool.gpus) {
    if (find_reading(facts.observation, gpu.uuid, gpu.index) == nullptr) {
      lost.push_back(std::to_string(gpu.index));
    }
  }
  if (!lost.empty() && facts.observation.is_partial) {
    findings.notice("GPUs", fmt::format("cannot be seen from here: {}", join_names(lost)),
                    "a container, a control group or the rights of this account may hide them; "
                    "requests from here get others");
  } else if (!lost.empty()) {
    findings.bad("GPUs", fmt::format("not found any more: {}", join_names(lost)),
                 "see the kernel's log (dmesg); if they are gone for good: canhazgpu admin");
  }
  if (facts.observation.gpus.size() > facts.pool.gpus.size()) {
    findings.notice("GPUs",
                    fmt::format("{} found, {} in the pool",
                                number_of(facts.observation.gpus, "GPU"), facts.pool.gpus.size()),
                    "take them all in with: canhazgpu admin");
  }
}

// What to do about what its driver asks for before anybody may be given the GPU, or about an error.
std::string advice_on(const GpuReading& gpu, const Obstacle& obstacle) {
  if (obstacle.what == gpu.notice) return "it is not given to anybody before; " + gpu.advice;
  return fmt::format("{} take it out of service: canhazgpu admin --drain {}",
                     obstacle.is_final ? "nobody can ever be given it, so"
                                       : "it is not given to anybody; reset or replace it, or",
                     gpu.index);
}

std::string advice_on_use_without_process(bool is_nvidia) {
  return is_nvidia
             ? "if it stays so, turn persistence mode on (sudo nvidia-smi -pm 1), or see dmesg"
             : "if it stays so, see dmesg";
}

void examine_gpu(const GpuReading& gpu, const Facts& facts, Findings& findings) {
  const auto text = [&](const std::string& what) {
    return fmt::format("GPU {}: {}", gpu.index, what);
  };
  const auto obstacle = obstacle_of(gpu, facts.pool.policy);
  if (obstacle) findings.bad("reading", text(obstacle->what), advice_on(gpu, *obstacle));
  for (const std::string& notice : notices_of(gpu)) {
    if (obstacle && notice == obstacle->what) continue;
    findings.notice("reading", text(notice),
                    notice == gpu.notice
                        ? gpu.advice
                        : advice_on_use_without_process(facts.provider == "nvidia"));
  }
}

void examine_reading(const Facts& facts, Findings& findings) {
  if (!facts.looking.failure.empty()) {
    findings.bad("reading", facts.looking.failure, facts.looking.hint);
    return;
  }
  const std::string text =
      fmt::format("{} with {} in {}", number_of(facts.observation.gpus, "GPU"),
                  facts.observation.source, milliseconds_text(facts.looking.took));
  if (facts.looking.took > kLookIsSlow) {
    findings.notice("reading", text,
                    facts.provider == "nvidia" ? "turn persistence mode on: sudo nvidia-smi -pm 1"
                                               : "see what else asks the driver");
  } else {
    findings.good("reading", text);
  }
  for (const GpuReading& gpu : facts.observation.gpus) examine_gpu(gpu, facts, findings);
  compare_with_pool(facts, findings);
}

}  // namespace

std::vector<Finding> diagnose(const Facts& facts) {
  Findings findings;
  examine_host(facts, findings);
  examine_clock(facts, findings);
  examine_store(facts, findings);
  examine_pool(facts, findings);
  if (facts.provider == "nvidia") examine_nvidia(facts.inventory, findings);
  if (facts.provider == "amd") examine_amd(facts.inventory, findings);
  if (facts.provider.empty()) {
    findings.bad("driver", "there is no driver and no tool of NVIDIA or AMD",
                 "install the driver of your GPUs, or try it with simulated ones: canhazgpu admin "
                 "--provider fake --gpus 8");
  } else {
    if (facts.provider != "fake") examine_devices(facts, findings);
    examine_reading(facts, findings);
  }
  if (!facts.visible_devices.empty()) {
    findings.notice("environment",
                    fmt::format("CUDA_VISIBLE_DEVICES={} is set here", facts.visible_devices),
                    "`canhazgpu run` replaces it; programs that you start by hand obey it");
  }
  return findings.take();
}

}  // namespace chg
