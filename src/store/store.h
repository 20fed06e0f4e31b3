// Remembers the pool and what has happened to it, for all users of the host.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "core/pool.h"

namespace chg {

/// Tells that the pool may have changed since this subscription was made or last renewed. Make it
/// first, then read the pool: no change after that is missed, whoever makes it and however its
/// process ends.
class Subscription {
 public:
  virtual ~Subscription() = default;

  /// Polls as ready (any event) after a change, until renewed. Changes with every renewal.
  virtual int fd() const = 0;

  /// Forgets the changes so far. Call it before reading the pool again.
  virtual void renew() = 0;
};

/// Who may use a store that is made.
struct Sharing {
  unsigned mode = 0600;  ///< of its files: 0600 its maker, 0660 a group, 0666 everybody
  int gid = -1;          ///< the group; -1 leaves it
};

/// A place in the order in which the events of a store were written. Of another store it means
/// nothing.
struct EventPosition {
  std::uint64_t time = 0;
  std::uint64_t number = 0;

  auto operator<=>(const EventPosition&) const = default;
};

/// Which events to read.
struct EventsAsked {
  WallTime from =
      WallTime::min();       ///< those that took effect then or later; some earlier ones, too
  EventPosition after = {};  ///< only what was written behind this place
  bool only_ends = false;    ///< only those of the kind Ended
};

/// Events in the order in which they were written, some at a time: there may be more than fit into
/// memory. Not to be used after its store is gone.
class EventReader {
 public:
  virtual ~EventReader() = default;

  /// The next ones; none when there are no more. Those that are written later come with a later
  /// call.
  virtual std::vector<Event> next() = 0;

  /// Behind the last one that `next` has returned.
  virtual EventPosition position() const = 0;
};

class Store;

/// The pool of another host, beside this one.
struct Neighbour {
  std::string host;
  std::unique_ptr<Store> store;  ///< on the connection of the one that told of it
};

class Store {
 public:
  virtual ~Store() = default;

  /// Reads the pool, applies `change`, writes what differs, and appends pool.events to the others:
  /// all or nothing, one at a time over all processes of the host, in fair order. What `change`
  /// throws is thrown on, and nothing is written. Heartbeats alone wake nobody.
  /// `change` may be called again, with the pool of then, when another came in between: it must
  /// leave nothing behind but its last call's results.
  /// A change of a manual reservation is on disk (safe from a power loss) before this returns, as
  /// far as that is this program's to decide: a Redis has its own settings for it.
  /// Throws Error when the store can't be had (locked for long, unreadable, full, damaged).
  virtual void update(const std::function<void(Pool&)>& change) = 0;

  /// A consistent snapshot. Waits for nobody.
  virtual Pool read() = 0;

  /// The same without the records that can't be read, whose fields go to `damaged`.
  virtual Pool read_past_damage(std::vector<std::string>& /*damaged*/) { return read(); }

  /// Deletes records, whatever is in them, by their fields.
  virtual void drop_records(const std::vector<std::string>& /*fields*/) {}

  /// What one has to know before one looks at the GPUs: a pool of which only the provider and the
  /// policy are read, for less than the whole pool costs.
  virtual Pool read_policy() { return read(); }

  /// The events that were asked for, without damaged ones.
  virtual std::unique_ptr<EventReader> read_events(const EventsAsked& asked) = 0;

  /// The usage records of what ended at or after `from`, all at once.
  std::vector<UsageRecord> history(WallTime from);

  /// Deletes the events that were written before this moment. Slow upkeep, as tidy_up.
  virtual void forget_events(WallTime before) = 0;

  /// The pools of other hosts that lie beside this one, by name: those whose hosts have set them up
  /// in the same Redis, each under its own prefix.
  virtual std::vector<Neighbour> neighbours() { return {}; }

  /// Signals when the request with this id may have been granted or taken out of the queue. May
  /// signal for others' sake now and then.
  virtual std::unique_ptr<Subscription> subscribe_to(const std::string& request_id) = 0;

  /// Signals at every change of the pool but heartbeats.
  virtual std::unique_ptr<Subscription> subscribe_to_changes() = 0;

  /// Signals when the connection to the store is lost: recent commits may be lost, too. nullptr for
  /// stores that cannot lose any.
  virtual std::unique_ptr<Subscription> subscribe_to_loss() { return nullptr; }

  /// Which server has the pool, as it was last read to be changed: another one after a restart or a
  /// failover, which may both bring an older state of it. "": a file, or it does not tell.
  virtual std::string server() { return ""; }

  /// How many processes are subscribed to loss.
  virtual int loss_subscribers() { return 0; }

  /// Signals loss to all of them, as when the connection is lost.
  virtual void signal_loss() {}

  /// What is wrong with how the store is set up, so that it may lose a pool; "": nothing is known.
  virtual std::string danger() { return ""; }

  /// Slow upkeep, such as an fsync. Call it only where nobody is waiting for you.
  virtual void tidy_up() {}

  /// Brings the one file of the store up to date, so that a copy of it alone is a copy of the pool.
  /// That others are in the way is no failure. Waits for the disk.
  virtual void make_whole() {}

  /// Where it is, for messages: "/var/lib/canhazgpu/pool.db".
  virtual std::string location() const = 0;
};

}  // namespace chg
