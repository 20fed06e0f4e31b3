// The pool: all that canhazgpu knows of one host, as one value. Decisions are functions of it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "core/account.h"
#include "core/host_identity.h"
#include "core/policy.h"
#include "core/process_identity.h"

namespace chg {

/// Why a GPU without reservation may not be granted, as last observed.
struct Unavailability {
  enum class Kind {
    UnreservedUse,  ///< somebody uses it without a reservation
    Error,          ///< it can't be read, or its driver reports an error
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

enum class ReservationKind { Run, Manual };

/// Somebody waits for GPUs: a count of them, or named ones. `id` stays the same when it is granted.
struct Request {
  std::string id;
  std::uint64_t arrival = 0;  ///< place in the order of arrival; set by enqueue
  Account account;
  std::vector<std::string> groups;  ///< of the account, as far as the policy has limits for them
  std::string label;  ///< --user: who on a shared account; decides nothing
  std::string note;
  ReservationKind kind = ReservationKind::Run;
  int count = 1;             ///< equals gpu_ids.size() where GPUs are named
  std::vector<int> gpu_ids;  ///< ascending; empty: any GPUs
  bool force = false;        ///< may also take a GPU whose only unreserved user is its account
  std::optional<Duration> duration;  ///< manual: how long; run: --timeout, if any
  Instant enqueued;
  Instant last_heartbeat;
  ProcessIdentity waiter;  ///< the process that waits; a run's becomes its command

  bool operator==(const Request&) const = default;
};

/// How a reservation ended.
enum class EndReason {
  Finished,  ///< the command ended
  Released,  ///< given back by hand
  Expired,   ///< manual: its time was over
  TimedOut,  ///< run: --timeout struck
  Killed,    ///< ended by `release --kill`, or its leftovers by the setting
  Lost,      ///< its holder was found gone (crash, reboot, no heartbeat)
  Cleared,   ///< by `admin --force`
};

struct Reservation {
  std::string id;
  Account account;
  std::string label;
  std::string note;
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
  std::vector<ProcessIdentity> leftovers;     ///< what outlived the command on its GPUs
  std::optional<EndReason> ending;            ///< run: somebody is ending its job, and why

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

/// One for each GPU, written when a reservation ends on that GPU.
struct UsageRecord {
  std::string reservation_id;
  int gpu = 0;
  Account account;
  std::string label;
  ReservationKind kind = ReservationKind::Run;
  WallTime started{};
  WallTime ended{};
  EndReason end = EndReason::Finished;

  bool operator==(const UsageRecord&) const = default;
};

struct Pool {
  std::string provider;           ///< "nvidia", "amd", "fake"; "" before `admin` ran
  std::string admin_group;        ///< whose members may change everything; "" for root alone
  std::uint32_t creator_uid = 0;  ///< who set the pool up
  Policy policy;                  ///< what decides for everybody
  std::uint64_t next_arrival = 1;
  HostIdentity host;                      ///< of these GPUs; empty until it was noted
  std::vector<Gpu> gpus;                  ///< by index
  std::vector<Reservation> reservations;  ///< by start
  std::vector<Request> queue;             ///< by arrival
  std::vector<Cancelled> cancelled;       ///< in order of their cancellation
  /// Usage records that changes have produced since the pool was read; a store appends them to its
  /// history when it writes the pool, and reads a pool with none.
  std::vector<UsageRecord> ended;

  bool operator==(const Pool&) const = default;
};

const Gpu* find_gpu(const Pool& pool, int index);
Gpu* find_gpu(Pool& pool, int index);
const Reservation* find_reservation(const Pool& pool, const std::string& id);
Reservation* find_reservation(Pool& pool, const std::string& id);
const Request* find_request(const Pool& pool, const std::string& id);
/// Throws Error(Usage) if the pool has no GPU of this index; the message names those that it has.
void require_gpu(const Pool& pool, int index);
/// How many GPUs there are, for messages: "8 (0-7)", "none".
std::string gpu_range(const Pool& pool);
/// The order of Pool::reservations: by start on the wall clock, and by id where that is the same.
bool starts_before(const Reservation& a, const Reservation& b);
/// The reservation that has this GPU, or nullptr.
const Reservation* reservation_of(const Pool& pool, int gpu);

/// Ends the reservation on all its GPUs: adds a usage record for each, marks them released at
/// `ended`, and removes the reservation. If `ended` is before the start, the start is used.
void end_reservation(Pool& pool, const std::string& id, const Instant& ended, EndReason end);

/// Ends it on some of its GPUs; what is left of it goes on.
void end_reservation_on(Pool& pool, const std::string& id, const std::vector<int>& gpus,
                        const Instant& ended, EndReason end);

}  // namespace chg
