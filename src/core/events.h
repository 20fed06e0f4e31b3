// What has happened to the pool: one event for each transition. The transaction that makes the
// transition writes its event, so the two are never apart. History, reports and whoever follows
// what happens read nothing else.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "core/account.h"

namespace chg {

enum class ReservationKind { Run, Manual };

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

enum class EventKind {
  // Of a request, and the reservation that it becomes.
  Queued,     ///< it joined the queue; again, where the store had lost it
  Granted,    ///< it got its GPUs
  Taken,      ///< a run begins, or a manual reservation was claimed
  Returned,   ///< its GPUs turned out not to be free, or it was not taken: it waits again, in its
              ///< old place
  Withdrawn,  ///< its own process left before it used a GPU, or was found gone
  Cancelled,  ///< somebody took it out of the queue
  Extended,   ///< its expiry was moved
  Ended,      ///< on `gpus`, which may be some of its GPUs; only these make usage records
  GpusLost,   ///< another reservation has got these GPUs while the store had lost this one
  Restored,   ///< the store had lost it, and has it again, on these GPUs
  GpusRestored,  ///< GPUs that it had lost are its own again
  // Of the pool.
  Drained,
  Undrained,
  SetUp,  ///< a pool was set up, or its GPUs changed
  Cleared,
  PolicyChanged,
};

struct Event {
  EventKind kind = EventKind::Queued;
  WallTime at{};  ///< when it took effect: an Ended one, the end of the use
  std::optional<Account>
      actor;       ///< who did it; nullopt: canhazgpu itself, for nobody in particular
  std::string id;  ///< of the request and its reservation; "": it is of the pool
  Account owner;   ///< whose request it is; of the pool: the actor
  std::string label;
  std::string note;     ///< of the request; or why GPUs were drained
  std::string command;  ///< what a run runs; "": not known
  ReservationKind reservation_kind = ReservationKind::Run;
  int count = 0;                    ///< Queued: how many GPUs are asked for
  std::vector<int> gpus;            ///< ascending; Queued: those that are asked for by name
  std::uint64_t grant = 0;          ///< of a reservation: the serial of its grant
  std::optional<WallTime> started;  ///< Ended: the start of the use
  std::optional<EndReason> how;     ///< Ended
  std::optional<WallTime> ends;     ///< Granted, Taken, Extended: when it will end, if that is set
  std::string within;               ///< the reservation that this one is inside of; "": of none
  std::string detail;               ///< the rest, for people

  bool operator==(const Event&) const = default;
};

/// The use of one GPU, from its start to its end.
struct UsageRecord {
  std::string reservation_id;
  int gpu = 0;
  Account account;
  std::string label;
  ReservationKind kind = ReservationKind::Run;
  WallTime started{};
  WallTime ended{};
  EndReason end = EndReason::Finished;
  std::uint64_t grant = 0;  ///< the serial of the grant that has ended
  /// The reservation that this one was inside of: that one's record has this time, too, and reports
  /// count it there. "": of none.
  std::string within = {};

  bool operator==(const UsageRecord&) const = default;
};

/// The usage records of an event: one for each GPU of an Ended one, else none.
std::vector<UsageRecord> usage_of(const Event& event);

/// Those of all of them, in their order.
std::vector<UsageRecord> usage_of(const std::vector<Event>& events);

/// The event that has this record alone.
Event ended_event(const UsageRecord& record);

}  // namespace chg
