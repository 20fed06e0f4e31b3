// How the use cases get at the world. main fills it: it alone names the implementations.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "probe/inventory.h"
#include "probe/probe.h"
#include "probe/processes/proc_reader.h"
#include "store/store.h"

namespace chg {

/// Which probe is wanted.
struct ProbeChoice {
  std::string name;  ///< "nvidia" (the best that there is), "nvml", "nvidia-smi", "amd", "fake"
  Duration timeout{};
  std::string fake_file;    ///< the simulated GPUs of "fake"
  std::string shared_file;  ///< where readings are shared; "": they are not
  Instant not_before;       ///< shared readings that began before this are rejected
  ProcessIdentity observer;
  std::uint32_t uid = 0;                    ///< of who reads, as its own user namespace counts it
  ProcReader::TellsModel tells_model = {};  ///< as ProcReader wants it
  /// Only beyond this it matters that memory belongs to no listed process.
  std::uint64_t unlisted_max_mib = 0;
};

struct World {
  const Clock& clock;
  /// `address`: the path of a file, or the URL of a Redis.
  std::function<std::unique_ptr<Store>(const std::string& address)> open_store;
  std::function<std::unique_ptr<Store>(const std::string& address, const std::optional<Sharing>&)>
      create_store;
  std::function<std::unique_ptr<Probe>(const ProbeChoice&)> make_probe;
  /// The last good reading that was shared, however old; nullopt when there is none.
  std::function<std::optional<Observation>(const ProbeChoice&)> last_reading;
  /// What there is to read GPUs with; found out within the timeout, more or less.
  std::function<Inventory(Duration timeout)> take_inventory;
  /// Makes a file for readings that are shared; one that is there is kept.
  std::function<void(const std::string& file)> create_reading_file;
  /// Makes a file of simulated GPUs; one that is there is kept.
  std::function<void(const std::string& file, int count)> create_fake_gpus;
  /// Writes a pool and its history into a new file of its own.
  std::function<void(const std::string& file, const Pool&, EventReader&)> write_backup = {};
  /// Opens such a file, only to be read.
  std::function<std::unique_ptr<Store>(const std::string& file)> open_backup = {};
};

}  // namespace chg
