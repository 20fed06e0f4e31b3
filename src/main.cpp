// Puts the program together: the only file that names a concrete store, probe or clock.
#include <algorithm>
#include <functional>
#include <new>
#include <string>
#include <vector>

#include "app/world.h"
#include "base/error.h"
#include "base/fatal_signals.h"
#include "cli/output.h"
#include "cli/program.h"
#include "probe/amd/amd_probe.h"
#include "probe/fake_probe.h"
#include "probe/inventory.h"
#include "probe/isolated_probe.h"
#include "probe/nvidia/nvidia_probe.h"
#include "probe/nvidia/nvidia_smi_probe.h"
#include "probe/nvidia/nvml_probe.h"
#include "probe/processes/host_pids.h"
#include "probe/shared_probe.h"
#include "process/detached.h"
#include "process/standard_streams.h"
#include "store/redis/redis_store.h"
#include "store/sqlite/sqlite_store.h"

namespace {

chg::ProcReader proc_reader(const chg::ProbeChoice& choice) {
  return chg::ProcReader("/proc", "", choice.tells_model);
}

std::function<chg::Observation()> vendor_reading(const chg::Clock& clock,
                                                 const chg::ProbeChoice& choice) {
  const chg::Duration timeout = choice.timeout;
  // To anybody else the pids that drivers list are those of strangers.
  std::optional<chg::ProcReader> proc;
  if (chg::sees_host_pids(choice.observer)) proc = proc_reader(choice);
  chg::NvidiaSources nvidia;
  nvidia.unlisted_max_mib = choice.unlisted_max_mib;
  if (choice.name == "nvidia-smi") {
    return [=, &clock] {
      return chg::read_nvidia_smi(clock, timeout, chg::SteadyClock::now(), nvidia.program,
                                  nvidia.unlisted_max_mib);
    };
  }
  if (choice.name == "nvml") {
    return [=, &clock] {
      const auto read = [&] { return chg::read_nvml(clock); };
      return chg::observation_or_throw(chg::read_isolated("NVML", read, timeout, proc));
    };
  }
  if (choice.name == "amd") {
    return [=, &clock] {
      // amd-smi gets a little less, so that its timeout is told, and it leaves nothing.
      const auto read = [&] { return chg::read_amd(clock, timeout * 19 / 20); };
      return chg::observation_or_throw(chg::read_isolated("the AMD driver", read, timeout, proc));
    };
  }
  return [=, &clock] { return chg::read_nvidia(clock, timeout, proc, nvidia); };
}

// Waiting for another's reading is a part of the time that people wait.
chg::Reuse reuse(const chg::ProbeChoice& choice) {
  return {choice.shared_file,
          choice.name,
          chg::view_of_gpus(choice.uid),
          choice.not_before,
          choice.observer,
          std::min<chg::Duration>(choice.timeout / 4, std::chrono::seconds(3)),
          choice.timeout};
}

std::unique_ptr<chg::Probe> make_probe(const chg::Clock& clock, const chg::ProbeChoice& choice) {
  if (choice.name == "fake") {
    return std::make_unique<chg::FakeProbe>(clock, proc_reader(choice), choice.fake_file,
                                            choice.timeout, choice.uid);
  }
  return std::make_unique<chg::SharedProbe>(clock, reuse(choice), vendor_reading(clock, choice),
                                            proc_reader(choice));
}

std::optional<chg::Observation> last_reading(const chg::ProbeChoice& choice) {
  if (choice.name == "fake") return std::nullopt;
  return chg::last_reading(reuse(choice), proc_reader(choice));
}

std::unique_ptr<chg::Store> open_store(const std::string& address) {
  return chg::is_redis_url(address) ? chg::open_redis_store(address)
                                    : chg::open_sqlite_store(address);
}

std::unique_ptr<chg::Store> create_store(const std::string& address,
                                         const std::optional<chg::Sharing>& sharing) {
  return chg::is_redis_url(address) ? chg::open_redis_store(address)
                                    : chg::create_sqlite_store(address, sharing);
}

}  // namespace

int main(int argc, char** argv) {
  chg::fill_standard_streams();
  chg::survive_file_size_limit();
  chg::remember_arguments(argc, argv);
  const chg::SystemClock clock;
  const chg::World world{
      clock,
      open_store,
      create_store,
      [&](const chg::ProbeChoice& choice) { return make_probe(clock, choice); },
      last_reading,
      [](chg::Duration timeout) { return chg::take_inventory(timeout); },
      chg::create_reading_file,
      chg::create_fake_gpus,
      chg::write_sqlite_backup,
      chg::open_sqlite_backup,
  };
  try {
    return chg::run_program(std::vector<std::string>(argv + 1, argv + argc), world);
  } catch (const chg::Error& error) {
    chg::say_error(error.what(), error.hint());
    return error.exit_status();
  } catch (const std::bad_alloc&) {
    chg::say_error("out of memory", "see what limits it: ulimit -v, systemctl status (MemoryMax)");
    return 1;
  } catch (const std::exception& error) {
    chg::say_error(error.what(), "");
    return 1;
  }
}
