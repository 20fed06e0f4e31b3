// What a use case works with: the store, the GPUs, the clock, and who asks.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "app/world.h"
#include "core/account.h"
#include "core/circumstances.h"
#include "probe/amd/amd_visibility.h"

namespace chg {

struct ContextOptions {
  std::string store_path;  ///< where the store is, for people: a file, or a URL without password
  /// The URL of a Redis, with its password: to open it, and never shown. "": store_path is a file.
  std::string store_url;
  bool store_is_private = false;  ///< a private pool: no host-wide pool exists
  /// How this user wants to look at the GPUs; "": as the policy says. Decides nothing.
  std::string probe;
  Duration probe_timeout = std::chrono::seconds(10);
  std::string state_directory;  ///< of this host, where the store is none of its files
  std::string fake_file;        ///< "": fake-gpus.json beside the store, or in that directory
  View view;                    ///< for what is shown to this user
  AmdVariable amd_variable = AmdVariable::Hip;  ///< by which jobs are told their AMD GPUs
};

class Context {
 public:
  Context(const World& world, ContextOptions options, Caller caller)
      : world_(world), options_(std::move(options)), caller_(std::move(caller)) {}

  const World& world() const { return world_; }
  const ContextOptions& options() const { return options_; }
  Instant now() const { return world_.clock.now(); }

  /// Who asks. Throws Error(NotPermitted) with a hint where the host's account is not known: for
  /// all that changes the pool.
  const Caller& caller() const;

  /// The same with its name, and the rights that this pool gives: its admin group makes admins.
  /// Outside of the first user namespace no name is believed, and the uid stands for it.
  Caller caller_in(const Pool& pool) const;

  /// Those groups of the caller for which the policy has limits, by name; none outside of the first
  /// user namespace.
  std::vector<std::string> limited_groups(const Policy& policy) const;

  /// A request of the caller, as this pool knows him, with his own thresholds; nothing is asked for
  /// yet. Throws as caller_in.
  Request request_of_caller(const Pool& pool) const;

  /// The ids of the runs whose supervisors live here and use this store, as far as they can be
  /// seen; none where the store is a file, which forgets nothing. REQUIRES: one thread.
  std::vector<std::string> supervised_runs() const;

  /// What decides now. The result refers to the observation.
  Circumstances circumstances(const Observation* observation = nullptr) const;

  /// Whether the store is a file of this host.
  bool store_is_file() const { return options_.store_url.empty(); }

  /// What the world opens and makes the store by. May hold a password.
  const std::string& store_address() const {
    return store_is_file() ? options_.store_path : options_.store_url;
  }

  /// The store; opened when first asked for, and kept open.
  Store& store();

  /// Closes the store, before a fork or a long wait; the next `store` opens it again.
  void close_store() { store_.reset(); }

  /// Reads the GPUs now, as the provider and the policy of this pool say. Throws as the probe does.
  Observation read_gpus(const Pool& pool);

  /// The pool's policy, as far as it was the same since it was first asked for.
  const Policy& known_policy() { return known().policy; }

  /// Reads the GPUs now. Provider and policy are read from the store once and kept. The reading
  /// begins after this call, so GPUs may be granted on it.
  Observation read_gpus();

  /// A reading for people: somebody else's will do, up to 500 ms old and not older than the last
  /// release in the pool. Where this user has a probe of his own, his reading is not shared.
  Observation cached_reading(const Pool& pool);

  /// Whether readings that are shown decide nothing, since this user looks with his own probe.
  bool has_own_probe(const Pool& pool) const;

  /// The last good reading of anybody since the boot, for when a new one fails.
  std::optional<Observation> last_reading(const Pool& pool) const;

  std::string fake_file() const;

  /// Where readings of the GPUs are shared: beside the store, or in the state directory.
  std::string reading_file() const;

 private:
  // The provider and the policy of the pool, read once.
  const Pool& known();
  ProbeChoice choice(const Pool& pool, const std::string& probe, const Instant& not_before) const;
  Observation read_with(const ProbeChoice& choice, const Policy& policy) const;
  bool may_miss_gpus(const std::string& probe) const;

  const World& world_;
  ContextOptions options_;
  Caller caller_;
  std::unique_ptr<Store> store_;
  std::optional<Pool> known_;  ///< its provider and its policy
};

/// Throws Error(Failed) with a hint when `admin` has not set the pool up yet.
void require_pool(const Pool& pool);

/// Whether the pool is known to be of another host: two may share a Redis, or a file by NFS.
bool is_of_another_host(const Pool& pool);

/// Throws Error(Failed) with a hint when it is: nobody gets GPUs that are not here.
void require_this_host(const Context& context, const Pool& pool);

/// Notes in the pool that it is this host's from now on.
void note_this_host(Pool& pool);

/// Throws Error(NotPermitted) for those who are neither root, admin group nor the pool's creator.
void require_owner(const Pool& pool, const Caller& caller);
/// Throws that error.
[[noreturn]] void refuse_stranger();

}  // namespace chg
