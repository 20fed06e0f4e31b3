// The pool: all that canhazgpu knows of one host, as one value. Decisions are functions of it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "core/account.h"
#include "core/events.h"
#include "core/host_identity.h"
#include "core/policy.h"
#include "core/process_identity.h"

namespace chg {

/// Why a GPU without reservation may not be granted, as last observed.
struct Unavailability {
  enum class Kind {
    UnreservedUse,  ///< somebody uses it without a reservation
    Error,          ///< it can't be read, or its driver reports an error
    Never,          ///< an error that no waiting mends
  };
  Kind kind = Kind::Error;
  Instant seen;
  std::string what;                 ///< "by bob", "GPU is lost"
  std::vector<std::uint32_t> uids;  ///< whose processes use it, each uid once; empty when unknown

  bool operator==(const Unavailability&) const = default;
};

struct Gpu {
  int index = 0;
  std::string uuid;
  std::string model;
  std::optional<std::string> out_of_service;           ///< the note given when it was drained
  std::optional<Instant> last_released;                ///< missing: never used
  std::optional<Unavailability> unavailable;           ///< only ever set while not reserved
  std::map<std::uint32_t, WallTime> last_used_by_uid;  ///< end of each account's last reservation

  bool operator==(const Gpu&) const = default;
};

/// Somebody waits for GPUs: a count of them, or named ones. `id` stays the same when it is granted.
struct Request {
  std::string id;
  std::uint64_t arrival = 0;  ///< its place in the queue, for as long as it lives; enqueue sets it
  Account account;
  std::vector<std::string> groups;  ///< of the account, as far as the policy has limits for them
  /// Nobody vouches for the account's name and groups, so strictest_limits are its limits: it was
  /// made outside of the first user namespace.
  bool unnamed = false;
  std::string label;                ///< --user: who on a shared account; decides nothing
  std::string note;
  std::string command;  ///< of a run, as short_command_text makes it
  ReservationKind kind = ReservationKind::Run;
  int count = 1;             ///< equals gpu_ids.size() where GPUs are named
  std::vector<int> gpu_ids;  ///< ascending; empty: any GPUs
  bool force = false;        ///< may also take a GPU whose only unreserved user is its account
  std::optional<Duration> duration;  ///< manual: how long; run: --timeout, if any
  Instant enqueued;
  Instant last_heartbeat;
  ProcessIdentity waiter;  ///< the process that waits; a run's becomes its command
  /// It did not take what it was granted. It keeps its place, and is granted and holds nothing,
  /// until its waiter gives a sign of life.
  bool passed_over = false;
  /// The GPUs that can be seen where it was made (a container may hide some), ascending; nullopt:
  /// all. It is granted, and holds, no others.
  std::optional<std::vector<int>> visible;
  /// Thresholds of its maker's own; they count where they are stricter than the policy's.
  std::optional<std::uint64_t> process_threshold_mib;
  std::optional<std::uint64_t> memory_threshold_mib;
  /// GPUs that were in use by those when its waiter last looked, ascending. It is granted, and
  /// holds, none of them.
  std::vector<int> avoided;

  bool operator==(const Request&) const = default;
};

struct Reservation {
  std::string id;
  /// The serial of its grant. A request may be granted more than once: after a grant was given back
  /// or ended, or because the store has lost the first one. Serials are random, so that a store
  /// that comes back with an older state can't give one to two grants, as a count could.
  std::uint64_t grant = 0;
  Account account;
  std::string label;
  std::string note;
  std::string command;
  ReservationKind kind = ReservationKind::Run;
  std::vector<int> gpus;  ///< ascending; empty only where all are `lost`
  /// GPUs that another reservation got while the store had lost this run, ascending. The job still
  /// runs there, and the run reclaims them as soon as they are free.
  std::vector<int> lost;
  Instant started;
  Instant last_heartbeat;
  std::optional<WallTime> ends;  ///< manual: expiry; run: when --timeout strikes, if given
  /// The process that it lives by: a run's command; for a manual one the `reserve` that waited for
  /// it, until that has looked at the GPUs and claimed it. nullopt: it lives by its expiry alone.
  std::optional<ProcessIdentity> holder;
  std::optional<ProcessIdentity> supervisor;  ///< set before the command starts
  std::vector<ProcessIdentity> leftovers;     ///< what outlived the command and keeps its GPUs
  std::optional<EndReason> ending;            ///< run: somebody is ending its job, and why
  std::optional<Account> ending_by;           ///< who that is; nullopt: its supervisor
  /// What was asked for, until the waiter takes what it was granted: until then it may go back to
  /// the queue.
  std::optional<Request> request;

  bool operator==(const Reservation&) const = default;
};

/// A note for a waiter, kept until the waiter has read it: somebody cancelled its request, or ended
/// its reservation just after the grant. A request that vanished without a note was lost by the
/// store.
struct Cancelled {
  std::string id;
  ProcessIdentity waiter;
  Instant last_heartbeat;

  bool operator==(const Cancelled&) const = default;
};

/// A drained GPU that has left the pool: should it come back, it is still drained.
struct AbsentDrain {
  std::string uuid;
  std::string note;  ///< given when it was drained

  bool operator==(const AbsentDrain&) const = default;
};

/// While it goes on nothing is granted: runs are looked for that a store has lost (core/recall.h).
struct Recall {
  std::optional<Instant> began;   ///< nullopt: none goes on
  std::vector<std::string> runs;  ///< their ids, where they are known
  std::string server;  ///< that the pool was last changed on, as Store::server; "": a file

  bool operator==(const Recall&) const = default;
};

struct Pool {
  std::string provider;           ///< "nvidia", "amd", "fake"; "" before `admin` ran
  std::string admin_group;        ///< whose members may change everything; "" for root alone
  std::uint32_t creator_uid = 0;  ///< who set the pool up
  Policy policy;                  ///< what decides for everybody
  std::uint64_t next_arrival = 1;
  Recall recall;
  std::vector<AbsentDrain> absent_drains;  ///< each UUID once
  HostIdentity host;                      ///< of these GPUs; empty until it was noted
  std::vector<Gpu> gpus;                  ///< by index
  std::vector<Reservation> reservations;  ///< by start
  std::vector<Request> queue;             ///< by arrival
  std::vector<Cancelled> cancelled;       ///< in order of their cancellation
  /// What changes have done since the pool was read. A store appends these events to its others
  /// when it writes the pool, and reads a pool with none.
  std::vector<Event> events;

  bool operator==(const Pool&) const = default;
};

const Gpu* find_gpu(const Pool& pool, int index);
Gpu* find_gpu(Pool& pool, int index);
const Reservation* find_reservation(const Pool& pool, const std::string& id);
Reservation* find_reservation(Pool& pool, const std::string& id);
const Request* find_request(const Pool& pool, const std::string& id);
/// Whether the GPU is among those that the request's own thresholds keep it from.
bool avoids(const Request& request, int gpu);
/// Throws Error(Usage) if the pool has no GPU of this index; the message names those that it has.
void require_gpu(const Pool& pool, int index);
/// How many GPUs there are, for messages: "8 (0-7)", "none".
std::string gpu_range(const Pool& pool);
/// The order of Pool::queue: by arrival, and by id where that is the same.
bool is_served_before(const Request& a, const Request& b);
/// The order of Pool::reservations: by start on the wall clock, and by id where that is the same.
bool starts_before(const Reservation& a, const Reservation& b);
/// The reservation that has this GPU, or nullptr. Not one inside another (core/inner.h).
const Reservation* reservation_of(const Pool& pool, int gpu);

/// Adds an event about a request or reservation, or one about the pool. The result is valid until
/// the next is added. It has no time yet, see stamp_events.
Event& add_event(Pool& pool, EventKind kind, const Request& request,
                 const std::optional<Account>& actor);
Event& add_event(Pool& pool, EventKind kind, const Reservation& reservation,
                 const std::optional<Account>& actor);
Event& add_event(Pool& pool, EventKind kind, const Account& actor);

/// Gives this time to the new events that have none: the last step of each update.
void stamp_events(Pool& pool, WallTime now);

/// A command line as events show it: printable, and cut after 200 characters.
std::string short_command_text(const std::vector<std::string>& arguments);

/// Ends the reservation on all its GPUs: adds the Ended event, marks them released at `ended`, and
/// removes the reservation. If `ended` is before the start, the start is used. `actor`: who ended
/// it; nullopt: nobody, it was found to be over. The GPUs of an inner run stay its outer
/// reservation's; of an outer one, those of its inner runs stay theirs.
void end_reservation(Pool& pool, const std::string& id, const Instant& ended, EndReason end,
                     const std::optional<Account>& actor = std::nullopt);

/// Ends it on some of its GPUs; what is left of it goes on.
void end_reservation_on(Pool& pool, const std::string& id, const std::vector<int>& gpus,
                        const Instant& ended, EndReason end,
                        const std::optional<Account>& actor = std::nullopt);

}  // namespace chg
