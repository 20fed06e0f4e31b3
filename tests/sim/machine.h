// The simulated host itself, without canhazgpu: its clocks, its processes in their pid namespaces,
// its GPUs, and what a GPU tool shows of them. Nothing here knows of the pool.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/circumstances.h"
#include "core/observation.h"

namespace chg::sim {

inline constexpr int kSpaces = 3;  ///< the host's pid namespace, and two containers'
inline constexpr int kNobody = -1;

struct Process {
  int key = 0;
  std::uint32_t uid = 0;
  int job = kNobody;  ///< the client whose job it belongs to
  int space = 0;
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

/// What a look showed of one GPU, told by the host and not by `core`.
struct Seen {
  enum class Use { Free, Used, Broken };
  Use use = Use::Free;
  bool readable = true;             ///< its processes can be told
  bool users_known = true;          ///< `uids` are all that use it
  std::vector<std::uint32_t> uids;  ///< ascending
  std::vector<int> processes;       ///< keys of the compute processes that were listed
};

struct Sighting {
  Observation observation;
  std::vector<Seen> gpus;     ///< by index
  std::uint64_t version = 0;  ///< of the host when it was seen
  int space = 0;
};

using Sight = std::shared_ptr<const Sighting>;

class Machine {
 public:
  explicit Machine(int gpus);
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  const Instant& now() const { return now_; }
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

  Process& start(int key, std::uint32_t uid, int space, int job);
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
  ProcessIdentity identity_from(const Process& process, int space) const;
  const LivenessOf& liveness(int space) const { return liveness_[static_cast<std::size_t>(space)]; }

  void set_fault(int gpu, Fault fault);
  void set_probe_fails(bool fails) { probe_fails_ = fails; }

  /// What the GPU tools show in this namespace; nullptr when the probe fails.
  Sight look(int space) const;
  /// What a waiter makes of a failed look: the GPUs of the last one, none of which can be read.
  Sight blinded(const Sighting& last) const;

 private:
  void set_wall(WallTime wall);
  int new_pid(int space, int key);
  Liveness state_of(const ProcessIdentity& identity, int space) const;
  GpuProcess listing(const Process& process, int space) const;
  std::uint64_t held_by_ignored(int gpu, int space) const;
  void see(int gpu, int space, GpuReading& reading, Seen& seen) const;

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
  std::vector<LivenessOf> liveness_;     ///< by namespace of who asks
};

}  // namespace chg::sim
