// What the pool should be, kept beside it and written from docs/semantics.md and not from `core`:
// each stage of an update is done here too, with the simulated host's own knowledge, and then the
// pool must be the same. Where the rules leave a choice (which of equal GPUs, whether a dead waiter
// is dropped yet), what the pool did is checked and taken over.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/changes.h"
#include "core/pool.h"
#include "core/schedule.h"
#include "sim/machine.h"

namespace chg::sim {

/// What is known against a GPU that nobody has reserved.
struct Known {
  bool broken = false;  ///< else somebody uses it
  bool users_known = false;
  std::vector<std::uint32_t> uids;  ///< ascending
  Instant seen;
};

struct ModelGpu {
  int owner = kNobody;  ///< the client that has it
  bool drained = false;
  std::optional<Known> known;
  std::optional<Instant> released;
  std::map<std::uint32_t, WallTime> used_by;
};

/// A client's request, and its reservation once it is granted.
struct Entry {
  Request request;
  std::optional<Reservation> held;
  int process = kNobody;     ///< key of the waiter, later the command
  int supervisor = kNobody;  ///< key
  Duration extended{};       ///< since it was granted
  Duration until{};          ///< manual: it lasts until then, by the boot clock of the host
  bool came_late = false;    ///< others had later times before, by whatever clock
  /// One usage record of each end of what it was granted.
  std::vector<UsageRecord> endings;
};

/// Rule 13: when it expired; nullopt while it has not.
std::optional<Instant> expiry_of(const Reservation& reservation, const Instant& now);

class Model {
 public:
  Model(const Machine& machine, int gpus, AllocationPolicy policy);

  // The stages of an update, as seen from a place.
  /// Whoever updates writes the times that he believes in.
  void begin(const Place& place) { now_ = machine_.now(place); }
  void reap(const Place& place, const Sighting* sighting);
  void pass_on_untaken(const Place& place);
  void observe(const Sighting& sighting);
  /// Checks what `core` granted, and takes it over.
  void schedule(const Place& place, const Pool& pool, const std::vector<std::string>& granted);
  /// Holds the pool against what it should be, and takes its new usage records. Throws Violation.
  void compare(const Pool& pool);

  // Changes.
  void join(int client, const Request& request, int process);
  void requeue(int client, const Request& request);
  void leave(int client);
  void forget(int client);
  void return_to_queue(int client, const Request& request, const Sighting& sighting);
  void claim(int client, Duration duration);
  void attach(int client, int supervisor);
  void beat_request(int client);
  void beat_reservation(int client);
  void mark_ending(int client, EndReason end, const std::optional<Account>& by);
  void note_leftovers(int client, const std::vector<ProcessIdentity>& leftovers);
  void end(int client, const Instant& at, EndReason end);
  void drop_gone_waiters(const Place& place);
  void drain(const std::vector<int>& gpus, bool out_of_service);
  void clear();
  /// Everything but what the clients know themselves is as it was in the older state.
  void lose(const Model& older);
  /// What the client may bring back of a reservation that the pool does not have; missing where it
  /// was ended.
  std::optional<Reservation> to_restore(int client, const Reservation& own, bool is_alive) const;
  bool is_known(int client, const Reservation& own) const;
  bool is_whole(int client, const Reservation& own) const;
  void restore(int client, const Reservation& own, int supervisor);
  /// False when it must be refused, and nothing changes.
  bool release(std::uint32_t uid, bool admin, const std::vector<int>& gpus, bool labelled,
               bool runs);
  bool extend(std::uint32_t uid, bool admin, const std::vector<int>& gpus, Duration by);
  bool cancel(std::uint32_t uid, bool admin, int client);
  /// Whether the request was cancelled; forgets that it was.
  bool acknowledge_cancelled(int client);
  /// Whether this request may join, as it was made; what the policy adds to it is added.
  bool accepts(Request& request) const;
  /// Whether more requests of its account wait than may.
  bool is_one_too_many(const Request& request) const;
  void set_policy(const Policy& policy) { policy_ = policy; }
  /// The GPUs that were seen there; nullopt: all.
  static std::optional<std::vector<int>> visible(const Sighting& sighting);
  void note_visible(int client, const Sighting& sighting);

  const Entry* waiting(int client) const;
  const Entry* holding(int client) const;
  bool is_in(int client) const { return waiting(client) != nullptr || holding(client) != nullptr; }
  const std::vector<int>& queue() const { return queue_; }
  const std::vector<int>& holders() const { return holders_; }
  const Entry& entry(int client) const { return entries_.at(client); }
  const std::vector<ModelGpu>& gpus() const { return gpus_; }
  std::vector<int> job_on_gpus(int client, const Sighting& sighting) const;

  /// What each waiting request holds, in the order of the queue.
  std::vector<std::vector<int>> held() const;
  /// Duration that all GPUs together were reserved between the two times.
  Duration used_between(WallTime from, WallTime to) const;
  std::size_t records() const { return spans_.size() + inner_records_; }
  std::uint64_t ended_by_heartbeat() const { return ended_by_heartbeat_; }
  std::uint64_t kept_for_leftovers() const { return kept_for_leftovers_; }
  std::uint64_t returned() const { return returned_; }
  std::uint64_t passed_on() const { return passed_on_; }

  std::uint64_t alone() const { return alone_; }
  std::uint64_t inside() const { return inside_; }
  std::uint64_t deeper() const { return deeper_; }

  /// The client whose reservation this one, which has GPUs, is inside of; kNobody: of none.
  int outer(int client) const;
  /// The client whose reservation is around that and around all others that this one is inside of;
  /// the client itself where it is inside of none.
  int outermost(int client) const;
  /// The client whose reservation serves this request; kNobody: the pool does.
  int server_of(const Request& request) const;
  /// The GPUs that no run inside this client's reservation has.
  std::vector<int> free_in(int outer) const;
  /// GPUs of the reservation of this id; nullopt: of "".
  std::optional<std::size_t> size_of(const std::string& id) const;
  /// Throws Violation where a run is to be inside of what it should not be.
  void require_own(const std::string& outer, const Request& request,
                   const std::string& carried) const;

  /// Throws Violation where nobody may end this reservation so, whatever he believes.
  void require_over(int client, EndReason end, const Place& place) const;
  bool is_ago(const Instant& then, Duration time) const;
  /// GPUs of each account, by uid.
  std::map<std::uint32_t, int> taken() const;
  /// Counts what the request asks for. Whether that is more than its account may have.
  bool is_beyond(const Request& request, std::map<std::uint32_t, int>& taken) const;

  /// Whether it is over, as far as those in `place` can tell.
  bool is_dead(int process, const Instant& heartbeat, const Place& place) const;

 private:
  struct Span {
    WallTime start;
    WallTime end;
  };
  /// A request that was cancelled, until its waiter notices.
  struct Unnoticed {
    int client;
    Instant heartbeat;
  };
  struct Ending {
    int client;
    Instant at;
    EndReason end;
  };

  std::optional<Ending> ending_of(int client, Entry& entry, const Place& place,
                                  const Sighting* sighting);
  std::optional<Ending> ending_of_run(int client, Entry& entry, const Place& place,
                                      const Sighting* sighting);
  void end_on(int client, const std::vector<int>& gpus, const Instant& at, EndReason end);
  void free(int client);
  void find_owner(int gpu);
  bool has_room_inside(const Request& request) const;
  bool may_have(int client, const Reservation& own, int gpu) const;
  std::vector<int> inner_clients() const;
  void go_on_alone(const std::vector<int>& inner, WallTime from);
  std::string within(int client) const;
  void take_place(int client);
  bool may_use(const Request& request, int gpu) const;
  void reclaim_lost_gpus(const Pool& pool);
  std::size_t serve_queue(const Place& place, const Pool& pool,
                          const std::vector<std::string>& granted);
  bool is_any_made_inside(const std::vector<std::string>& ids) const;
  void take_over_grant(int client, const Reservation& made, const std::vector<int>& usable,
                       int server);
  void compare_queue(const Pool& pool) const;
  void compare_reservations(const Pool& pool) const;
  void compare_gpu(const Gpu& gpu);
  void compare_records(const Pool& pool);
  void require_preferred(const Request& request, const std::vector<int>& chosen,
                         const std::vector<int>& usable) const;

  Limits limits_on(const Account& account) const;

  const Machine& machine_;
  Policy policy_;
  Instant now_;  ///< as whoever updates believes
  std::vector<ModelGpu> gpus_;
  std::map<int, Entry> entries_;
  std::vector<int> queue_;  ///< clients, by the arrival of their requests
  std::uint64_t next_arrival_ = 1;
  std::uint64_t highest_arrival_ = 0;  ///< that ever was, whatever the store has lost
  std::vector<Unnoticed> cancelled_;
  std::vector<int> holders_;           ///< clients
  std::vector<UsageRecord> expected_;  ///< of the update that goes on
  std::uint64_t ended_by_heartbeat_ = 0;
  std::uint64_t kept_for_leftovers_ = 0;
  std::uint64_t returned_ = 0;
  std::uint64_t passed_on_ = 0;
  std::set<std::pair<int, std::uint64_t>> grants_;  ///< all that ever were: client and serial
  std::vector<Span> spans_;        ///< one for each usage record, but those of inner runs
  std::size_t inner_records_ = 0;  ///< of those
  std::uint64_t alone_ = 0;
  std::uint64_t inside_ = 0;
  std::uint64_t deeper_ = 0;
};

}  // namespace chg::sim
