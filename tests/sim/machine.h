// The simulated host itself, without canhazgpu: its clocks, its processes in their pid namespaces,
// its GPUs, and what a GPU tool shows of them. Nothing here knows of the pool.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/circumstances.h"
#include "core/observation.h"

namespace chg::sim {

inline constexpr int kSpaces = 3;  ///< the host's pid namespace, and two containers'
inline constexpr int kNobody = -1;

/// Where somebody is, and so what he can see of the host and what he believes.
struct Place {
  int space = 0;
  std::uint32_t uid = 0;           ///< who is there
  bool is_in_own_time = false;     ///< in a time namespace of its own
  bool sees_foreign_proc = false;  ///< /proc is that of another pid namespace
  bool is_hidden_from = false;     ///< /proc hides other people's processes (hidepid)
  bool has_own_boot = false;       ///< a boot id of its own, as containers have
  Duration ahead{};                ///< how far its wall clock is ahead of the host's
  bool is_partial = false;         ///< what it does not see of the GPUs may be there
  std::vector<int> unseen;         ///< GPUs that it does not see

  /// As app/context.cpp asks the kernel.
  bool can_judge() const { return !is_in_own_time && !sees_foreign_proc; }
};

struct Process {
  int key = 0;
  std::uint32_t uid = 0;
  int job = kNobody;    ///< the client whose job it belongs to
  std::string carried;  ///< the id of that job's reservation, in its environment; "": none
  int space = 0;
  bool is_in_own_time = false;
  int pid = 0;       ///< in its own namespace
  int host_pid = 0;  ///< in the host's
  int boot = 0;
  std::uint64_t ticks = 0;
  bool alive = false;
  bool stopped = false;
  std::vector<int> gpus;  ///< that it uses
  std::uint64_t memory_mib = 0;
  bool hides_environment = false;
  bool hides_memory = false;
  bool hides_owner = false;
  bool is_ignored = false;
};

enum class Fault { None, Lost, HidesMemory, Missing };

/// Compute processes that were listed on a GPU.
struct Listed {
  std::vector<int> keys;
  std::vector<std::uint32_t> uids;  ///< ascending
  std::uint64_t mib = 0;            ///< that they are known to hold
  bool hides_memory = false;        ///< one of them does
};

/// What a look showed of one GPU, told by the host and not by `core`.
struct Seen {
  enum class Use { Free, Used, Broken };
  bool is_listed = false;     ///< the tool knows of it
  bool is_lost = false;       ///< it can't be read
  bool hides_memory = false;  ///< the tool does not tell how much is in use
  bool owners_known = true;   ///< of the processes that were listed
  std::uint64_t total_mib = 0;
  std::uint64_t unlisted_mib = 0;  ///< of nobody who was listed
  std::vector<int> keys;           ///< of all compute processes, as the tool lists them
  Listed others;
  Listed ignored;  ///< of programs under `ignore_processes`

  /// The processes that count: all, where the ignored ones hold too much (rule 15).
  Listed counted(const Policy& policy) const;
  /// Rule 15, by the thresholds of this policy.
  Use use(const Policy& policy) const;
  /// Whether those that count are all that use it.
  bool users_known(const Policy& policy) const;
  /// Whether its processes can be told.
  bool is_readable() const { return is_listed && !is_lost; }
};

struct Sighting {
  Observation observation;
  std::vector<Seen> gpus;     ///< by index
  std::uint64_t version = 0;  ///< of the host when it was seen
  Place place;
};

using Sight = std::shared_ptr<const Sighting>;

class Machine {
 public:
  explicit Machine(int gpus);
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  const Instant& now() const { return now_; }
  /// What those in this place take it for.
  Instant now(const Place& place) const;
  int boot() const { return boot_; }
  /// Counts every change that a look could show.
  std::uint64_t version() const { return version_; }

  void advance(Duration by);
  void step_wall(Duration by);
  /// Whether the wall clock has shown a later time already, or about the same.
  bool wall_is_behind() const { return now_.wall < behind_until_; }
  void reboot(Duration wall_gap);
  /// A wall clock that was set back is put right.
  void correct_clock();

  /// Whether `a` was earlier than `b`, by the one true order of boots.
  bool is_earlier(const Instant& a, const Instant& b) const;

  Process& start(int key, std::uint32_t uid, const Place& place, int job = kNobody,
                 const std::string& carried = {});
  void use(Process& process, const std::vector<int>& gpus, std::uint64_t memory_mib);
  void kill(int key);
  void stop(int key, bool stopped);
  /// nullptr for a process that never was.
  const Process* find(int key) const;
  /// REQUIRES: it was started.
  Process& process(int key) { return processes_.at(static_cast<std::size_t>(key)); }
  bool is_alive(int key) const;
  bool can_act(int key) const;
  const std::vector<int>& living() const { return living_; }

  /// As the process itself records it, and as those in `space` know it.
  ProcessIdentity identity(int key) const;
  ProcessIdentity identity_from(const Process& process, const Place& place) const;
  /// What process/identity.cpp finds out there. The result refers to `place`.
  LivenessOf liveness(const Place& place) const;
  /// Whether those in that place can tell of this process, of this boot, that it ended or lives.
  bool is_seen(const Process& process, const Place& place) const;
  /// Whether it lives, or another process that is hidden there has its pid.
  bool may_live(const Process& process, const Place& place) const;
  /// Whether it may be at work, as far as those in that place can tell. False for kNobody.
  bool may_act(int key, const Place& place) const;
  bool is_of_this_boot(const Instant& moment) const;

  void set_fault(int gpu, Fault fault);
  void set_probe_fails(bool fails) { probe_fails_ = fails; }

  /// What the GPU tools show in this place; nullptr when the probe fails.
  Sight look(const Place& place) const;
  /// What a waiter makes of a failed look: it sees nothing, and others may.
  Sight blinded(const Place& place) const;

 private:
  void set_wall(WallTime wall);
  int new_pid(int space, int key);
  Liveness state_of(const ProcessIdentity& identity, const Place& place) const;
  GpuProcess listing(const Process& process, const Place& place) const;
  void see(int gpu, const Place& place, GpuReading& reading, Seen& seen) const;

  Instant now_;
  WallTime latest_wall_{};
  WallTime behind_until_{};
  int boot_ = 0;
  std::uint64_t version_ = 0;
  std::uint64_t ticks_ = 0;
  bool probe_fails_ = false;
  std::vector<Process> processes_;       ///< by key
  std::vector<int> living_;              ///< keys, in no order
  std::vector<std::vector<int>> pids_;   ///< by namespace and pid: key, or kNobody
  std::vector<int> last_pid_;            ///< by namespace
  std::vector<std::vector<int>> users_;  ///< by GPU: keys
  std::vector<Fault> faults_;            ///< by GPU
  std::vector<std::string> uuids_;       ///< by GPU
};

}  // namespace chg::sim
