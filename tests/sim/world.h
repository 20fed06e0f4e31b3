// canhazgpu at work on a simulated host: clients, supervisors and a pool that they change with the
// functions of `core`, in the order in which `app` calls them. After every update the pool is held
// against the model and against what is true of the host.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/circumstances.h"
#include "core/pool.h"
#include "core/restore.h"
#include "sim/counts.h"
#include "sim/event.h"
#include "sim/ledger.h"
#include "sim/machine.h"
#include "sim/model.h"

namespace chg::sim {

/// A program that somebody started, and the supervisor that it started in turn.
struct Client {
  enum class Phase {
    Looked,    ///< has looked, and will change the pool in the light of that
    Waits,     ///< is in the queue, or was when it last read the pool
    Verified,  ///< has looked at what it was granted
    Cares,     ///< first in line: has looked at what blocks it
    Granted,   ///< trusts its grant
    Runs,      ///< is the command now, or has claimed its reservation
    Left,
  };
  enum class Supervisor { None, Watches, Looked, Left };

  int number = 0;
  Place place;
  bool views = false;
  bool nonblock = false;
  bool uses_gpus = false;
  Leftovers leftovers = Leftovers::Keep;
  Phase phase = Phase::Looked;
  Request request;
  Sight sighting;
  std::shared_ptr<const Pool> pool;  ///< as it last read it
  bool is_fresh = false;             ///< `pool` was written in the light of `sighting`
  Instant last_heartbeat;
  Reservation own;        ///< as it last saw it, once it trusts its grant
  bool is_over = false;   ///< somebody has ended it, as its supervisor knows
  std::vector<int> gpus;  ///< what its command was told to use

  Supervisor supervisor = Supervisor::None;
  Sight supervisor_sighting;
  Instant supervised_since;
  Instant supervisor_heartbeat;
  std::optional<Instant> command_ended;  ///< as it has noticed
  std::optional<Duration> timeout;
  bool timed_out = false;
};

inline int process_key(int client) { return 2 * client; }
inline int supervisor_key(int client) { return 2 * client + 1; }

class World {
 public:
  explicit World(const Setup& setup);

  /// Carries the event out; one that makes no sense here does nothing. Throws Violation.
  void apply(const Event& event);

  const Machine& machine() const { return machine_; }
  const Model& model() const { return model_; }
  const Client* client(int number) const;
  /// Clients of which some process may still act.
  const std::vector<int>& active() const { return active_; }
  const Counts& counts() const { return counts_; }

 private:
  using Change = std::function<void(Pool&)>;
  using Expected = std::function<bool(Model&)>;

  // One update_pool. Returns whether the change was accepted.
  Circumstances given(const Place& place, const Sighting* sighting = nullptr) const;
  bool update(const Place& place, const Sighting* sighting, const Change& change,
              const Expected& expected, const Change& after_grants = {},
              const std::function<void(Model&)>& expected_after = {});
  std::shared_ptr<const Pool> snapshot();

  void arrive(const Event& event);
  std::optional<std::string> id_for(const Event& event) const;
  void step(Client& client, int choice);
  void view(Client& client, int choice);
  void join(Client& client);
  void act_as_waiter(Client& client, int choice);
  void requeue_lost(Client& client);
  void answer(Client& client);
  void wait(Client& client, int choice);
  void maintain_pool(Client& client, const Sighting* sighting, bool decides);
  void look_at_grant(Client& client, const Reservation& reservation);
  void trust_or_give_back(Client& client);
  void leave_queue(Client& client);
  void interrupt(Client& client);
  void use_grant(Client& client, int choice);
  void attach(Client& client);
  void discard_grant(Client& client);
  void lose_grant(Client& client, OwnChange made);
  void exit(Client& client);
  void check_decisions() const;

  void supervise(Client& client, int choice);
  void watch_command(Client& client, int choice);
  void deal_with_leftovers(Client& client);
  void require_left(const Client& client, const Sighting& sighting) const;
  void note_leftovers(Client& client, const std::vector<ProcessIdentity>& leftovers);
  void give_gpus_back(Client& client);
  void change_watched(Client& client, bool hears, const std::function<void(Reservation&)>& change,
                      const std::function<void(Model&)>& expected);

  OwnChange change_own(Client& client, JobState job, const Change& change,
                       const std::function<void(Model&)>& expected);
  std::optional<OwnChange> try_change(Client& client, const std::optional<Lost>& lost,
                                      const Change& change,
                                      const std::function<void(Model&)>& expected);
  std::vector<int> members(int client) const;
  void kill_job(int client);

  void spawn(const Event& event);
  void intrude(const Event& event);
  void release_gpus(const Event& event);
  void extend_reservations(const Event& event);
  void cancel_request(const Event& event);
  void set_service(const Event& event, bool out_of_service);
  void set_policy(const Event& event);
  void doubt(const Place& place) const;
  void clear();
  void lose(bool all);
  void check_report(Duration period) const;
  void settle();
  std::vector<int> existing(const std::vector<int>& gpus) const;
  Client* find(int number);
  void forget_inactive();

  Setup setup_;
  Machine machine_;
  Model model_;
  Pool pool_;
  std::vector<UsageRecord> history_;
  std::uint64_t serial_ = 0;  ///< of the update that goes on
  Ledger ledger_;
  struct Saved {
    Pool pool;
    std::vector<UsageRecord> history;
    Ledger ledger;
    Model model;
  };
  std::optional<Saved> saved_;
  std::vector<std::unique_ptr<Client>> clients_;  ///< by number
  std::vector<int> active_;
  std::shared_ptr<const Pool> snapshot_;  ///< of pool_ as it is; missing until somebody reads it
  mutable Counts counts_;
};

}  // namespace chg::sim
