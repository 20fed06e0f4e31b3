#include "app/admin.h"

#include <algorithm>

#include <fmt/format.h>

#include "app/new_store.h"
#include "app/pool_changes.h"
#include "app/pool_update.h"
#include "base/accounts.h"
#include "base/error.h"
#include "base/poll.h"
#include "base/text.h"
#include "core/changes.h"
#include "core/gpu_ids.h"
#include "core/recall.h"

namespace chg {
namespace {

int group_id(const std::string& name) {
  const auto gid = gid_of_group(name);
  if (!gid) {
    throw Error(ErrorKind::Usage, fmt::format("unknown group '{}'", printable(name, 60)),
                "make it first: groupadd GROUP");
  }
  return static_cast<int>(*gid);
}

// Root sets a host's store up for everybody or a group; others, for themselves.
std::optional<Sharing> sharing_for(const Context& context, const AdminOptions& options) {
  if (!options.group) return sharing_of_new(context);
  if (!context.store_is_file()) {
    throw Error(ErrorKind::Usage, "--group shares the files of a store, and this one is a Redis",
                "access to a Redis is set by its own users and passwords");
  }
  if (!context.caller().is_admin) {
    throw Error(ErrorKind::NotPermitted, "only root can share the store with a group",
                "run it with sudo");
  }
  return Sharing{0660, group_id(*options.group)};
}

void require_authority(const Context& context, const Pool& pool, const Caller& caller) {
  if (pool.gpus.empty()) {
    require_may_create(context, caller);
  } else {
    require_owner(pool, caller);
  }
}

std::string detect_provider(const Context& context, const AdminOptions& options, const Pool& pool) {
  if (!options.provider.empty()) return options.provider;
  if (!pool.provider.empty()) return pool.provider;
  const std::string found =
      provider_of(context.world().take_inventory(context.options().probe_timeout));
  if (!found.empty()) return found;
  throw Error(ErrorKind::Failed, "found no GPUs: there is no driver and no tool of NVIDIA or AMD",
              "see what is missing: canhazgpu doctor; or try it with simulated GPUs: canhazgpu "
              "admin --provider fake --gpus 8");
}

// Those that can never be granted, for people.
std::vector<std::string> warnings_about(const Observation& observation, const Policy& policy) {
  std::vector<std::string> warnings;
  for (const GpuReading& reading : observation.gpus) {
    const auto obstacle = obstacle_of(reading, policy);
    if (!obstacle || !obstacle->is_final) continue;
    warnings.push_back(
        fmt::format("GPU {} can never be granted: {}", reading.index, printable(obstacle->what)));
  }
  return warnings;
}

std::vector<Gpu> found_gpus(Context& context, const AdminOptions& options, Pool before,
                            const std::string& provider, std::vector<std::string>& warnings) {
  make_state_directory(context);
  if (provider == "fake") {
    context.world().create_fake_gpus(context.fake_file(), options.gpus.value_or(8));
  }
  before.provider = provider;
  std::vector<Gpu> gpus;
  const Observation observation = context.read_gpus(before);
  warnings = warnings_about(observation, before.policy);
  for (const GpuReading& reading : observation.gpus) {
    Gpu gpu;
    gpu.index = reading.index;
    gpu.uuid = reading.uuid;
    gpu.model = reading.model;
    gpus.push_back(std::move(gpu));
  }
  const int found = static_cast<int>(gpus.size());
  const int wanted = options.gpus.value_or(found);
  if (wanted != found && !options.force) {
    throw Error(
        ErrorKind::Failed,
        fmt::format("--gpus {} contradicts the {} found here", wanted, count_of(found, "GPU")),
        "leave --gpus out to take what is found, or add --force");
  }
  // By --force: GPUs that are not found stay in ERROR until they are.
  for (int index = found; index < wanted; ++index) {
    Gpu gpu;
    gpu.index = index;
    gpus.push_back(std::move(gpu));
  }
  gpus.resize(static_cast<std::size_t>(wanted));
  return gpus;
}

// By index where either has no UUID: the driver tells none of a GPU that it can't reach, and one
// whose record was damaged has none.
bool is_same(const Gpu& known, const Gpu& found) {
  const bool by_index = known.uuid.empty() || found.uuid.empty();
  return by_index ? known.index == found.index : known.uuid == found.uuid;
}

// The GPUs of the pool that are not among those that were found.
std::vector<int> missing(const Pool& pool, const std::vector<Gpu>& found) {
  std::vector<int> indices;
  for (const Gpu& known : pool.gpus) {
    const bool is_there = std::any_of(found.begin(), found.end(),
                                      [&](const Gpu& gpu) { return is_same(known, gpu); });
    if (!is_there) indices.push_back(known.index);
  }
  return indices;
}

void refuse_missing(const std::vector<int>& gpus) {
  const bool is_one = gpus.size() == 1;
  throw Error(ErrorKind::Failed,
              fmt::format("{} of the pool {} not found; nothing was changed", to_gpu_names(gpus),
                          is_one ? "was" : "were"),
              fmt::format("see what is wrong: canhazgpu doctor; if {} gone for good, add --force, "
                          "which also ends the reservations of all users",
                          is_one ? "it is" : "they are"));
}

// Those that are drained, and would be known again.
std::vector<int> drained(const Pool& pool, std::vector<int> indices) {
  std::erase_if(indices, [&](int index) {
    const Gpu& gpu = *find_gpu(pool, index);
    return !gpu.out_of_service || gpu.uuid.empty();
  });
  return indices;
}

// Keeps the drains of GPUs that leave, and gives those that have come back theirs again.
void move_drains(Pool& pool, const std::vector<int>& leaving, std::vector<Gpu>& found) {
  for (const int index : drained(pool, leaving)) {
    const Gpu& gpu = *find_gpu(pool, index);
    pool.absent_drains.push_back({gpu.uuid, *gpu.out_of_service});
  }
  for (Gpu& gpu : found) {
    std::erase_if(pool.absent_drains, [&](const AbsentDrain& drain) {
      if (drain.uuid != gpu.uuid) return false;
      gpu.out_of_service = drain.note;
      return true;
    });
  }
}

// Puts the GPUs that were found in the place of those that were known, with what is remembered.
// Returns those that have left; they must not where `may_leave` is false.
std::vector<int> replace_gpus(Pool& pool, std::vector<Gpu> found, bool may_leave) {
  for (const Reservation& reservation : pool.reservations) {
    for (const int index : reservation.gpus) {
      const auto same = std::find_if(found.begin(), found.end(),
                                     [&](const Gpu& gpu) { return gpu.index == index; });
      const Gpu* known = find_gpu(pool, index);
      if (known != nullptr && same != found.end() && is_same(*known, *same)) continue;
      throw Error(ErrorKind::Failed,
                  fmt::format("GPU {} is reserved, and would go or become another", index),
                  "wait until it is given back, or add --force, which takes it away");
    }
  }
  std::vector<int> leaving = missing(pool, found);
  if (!leaving.empty() && !may_leave) refuse_missing(leaving);
  move_drains(pool, leaving, found);
  require_grantable(pool, found.size(), "cancel it (canhazgpu queue), or add --force");
  for (Gpu& gpu : found) {
    const auto known = std::find_if(pool.gpus.begin(), pool.gpus.end(),
                                    [&](const Gpu& other) { return is_same(other, gpu); });
    if (known == pool.gpus.end()) continue;
    const Gpu remembered = *known;
    if (gpu.uuid.empty()) gpu.uuid = remembered.uuid;
    if (gpu.model.empty()) gpu.model = remembered.model;
    gpu.last_released = remembered.last_released;
    gpu.last_used_by_uid = remembered.last_used_by_uid;
    gpu.out_of_service = remembered.out_of_service;
  }
  pool.gpus = std::move(found);
  return leaving;
}

bool only_changes_service(const AdminOptions& options) {
  const bool service = !options.drain.empty() || !options.undrain.empty() || options.admin_group;
  return service && !options.gpus && options.provider.empty() && !options.force;
}

// A Redis whose pool is gone cuts no connection, so the supervisors of its runs would notice with
// their next heartbeat only. They are told now, and come back before anything is granted.
void recall_runs(Context& context, int runs) {
  Store& store = context.store();
  store.signal_loss();
  const auto until = SteadyClock::now() + kRecallPatience;
  const auto has_all = [&] { return static_cast<int>(store.read().reservations.size()) >= runs; };
  while (!has_all() && SteadyClock::now() < until) wait_ready({}, std::chrono::milliseconds(20));
  update_pool(context, nullptr, [](Pool& pool, const Circumstances&) { end_recall(pool); });
}

// How many runs have a supervisor: one that listens, or one of this host that has not noticed yet
// that the server is back.
int count_supervisors(Context& context) {
  const int here = static_cast<int>(context.supervised_runs().size());
  try {
    return std::max(here, context.store().loss_subscribers());
  } catch (const Error&) {
    return here;
  }
}

}  // namespace

AdminResult administer(Context& context, const AdminOptions& options, const Confirm& confirm) {
  const std::string& address = context.store_address();
  const auto sharing = sharing_for(context, options);
  const bool exists = store_exists(context);
  AdminResult result;
  const auto read_present = [&] {
    const auto store = context.world().create_store(address, std::nullopt);
    return options.force ? store->read_past_damage(result.damaged) : store->read();
  };
  const Pool before = exists ? read_present() : Pool{};
  require_authority(context, before, context.caller_in(before));
  if (!options.force) require_this_host(context, before);
  const bool keeps_gpus = only_changes_service(options) && !before.gpus.empty();
  const std::string provider =
      keeps_gpus ? before.provider : detect_provider(context, options, before);
  // The store is made after the GPUs were read, so that a probe that fails leaves nothing behind.
  // Simulated GPUs need its directory first.
  const auto make_store = [&] {
    if (!exists || sharing) context.world().create_store(address, sharing);
  };
  if (provider == "fake") make_store();
  const std::vector<Gpu> found =
      keeps_gpus ? before.gpus : found_gpus(context, options, before, provider, result.warnings);
  const bool takes_away =
      !before.reservations.empty() || !before.queue.empty() || !result.damaged.empty();
  if (options.force && takes_away && !confirm(before)) {
    throw Error(ErrorKind::Failed, "nothing was changed", "answer y to go on, or add --yes");
  }
  if (provider != "fake") make_store();
  result.created = before.gpus.empty();
  const int runs_before = result.created ? count_supervisors(context) : 0;
  if (!result.damaged.empty()) context.store().drop_records(result.damaged);
  result.pool = update_pool(context, nullptr, [&](Pool& pool, const Circumstances& given) {
    const Caller caller = context.caller_in(pool);
    require_authority(context, pool, caller);
    if (!options.force) require_this_host(context, pool);
    note_this_host(pool);
    if (pool.gpus.empty()) pool.creator_uid = context.caller().account.uid;
    if (options.force) {
      result.cleared_reservations = static_cast<int>(pool.reservations.size());
      result.cleared_requests = static_cast<int>(pool.queue.size());
      clear(pool, caller, given.now);
    }
    if (!keeps_gpus) end_recall(pool);  // of one that was killed
    const Pool known = pool;
    // Whoever names another provider means other GPUs.
    const bool may_leave = options.force || provider != pool.provider;
    if (!keeps_gpus) result.gone = replace_gpus(pool, found, may_leave);
    result.gone_drained = drained(known, result.gone);
    if (runs_before > 0) {
      begin_recall(pool, given.now);
    }
    pool.provider = provider;
    if (options.admin_group) {
      if (!options.admin_group->empty()) group_id(*options.admin_group);
      pool.admin_group = *options.admin_group;
    }
    note_changes(known, pool, caller);
    set_service(pool, caller, options.drain, options.note);
    set_service(pool, caller, options.undrain, std::nullopt);
  });
  if (runs_before > 0) recall_runs(context, runs_before);
  context.store().make_whole();
  return result;
}

}  // namespace chg
