// What the facts about a host mean. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/context.h"
#include "core/pool.h"
#include "probe/inventory.h"
#include "view/finding.h"

namespace chg {

/// What came of trying something.
struct Attempt {
  std::string failure;  ///< "" when it worked
  std::string hint;
  Duration took{};
};

/// Facts about the host, as they were gathered.
struct Facts {
  std::string kernel;                  ///< "6.1.0-18-amd64 x86_64"
  std::optional<Container> container;  ///< that this process runs in
  bool in_first_pid_namespace = true;  ///< and so sees every process of the host
  bool hides_processes = false;        ///< /proc is mounted with hidepid
  std::string blind_spot;              ///< why it can't be told from here who lives; "" it can
  std::string watching_failure;        ///< why no process can be watched here; "" they can
  std::string watching_hint;
  int unburied_supervisors = 0;  ///< zombies that process 1 leaves
  std::string process_1;         ///< its name
  std::string cgroups;           ///< "version 2"
  Instant now;

  std::string store;  ///< where it is
  bool store_is_private = false;
  std::string file_system;                ///< a network's, by name; "" for a local one
  std::optional<std::uint64_t> free_mib;  ///< on the store's disk
  Attempt reading_store;
  std::string store_danger;  ///< Store::danger
  Attempt writing_store;
  Pool pool;            ///< empty where it could not be read
  Attempt owning_pool;  ///< fails where it is another host's

  Inventory inventory;
  std::string provider;  ///< whose GPUs were looked for; "" none
  Attempt looking;
  Observation observation;  ///< empty where looking failed

  std::string visible_devices;  ///< CUDA_VISIBLE_DEVICES of the caller; "" when not set
};

/// In the order in which people should read them. Never empty.
std::vector<Finding> diagnose(const Facts& facts);

}  // namespace chg
