// Remembers the pool and its history, for all users of the host.
#pragma once

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

/// Usage records in order, some at a time: a history may be larger than memory. Not to be used
/// after its store is gone.
class HistoryReader {
 public:
  virtual ~HistoryReader() = default;

  /// The next ones; none at the end.
  virtual std::vector<UsageRecord> next() = 0;
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

  /// Reads the pool, applies `change`, writes what differs, and appends pool.ended to the history:
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

  /// What one has to know before one looks at the GPUs: a pool of which only the provider and the
  /// policy are read, for less than the whole pool costs.
  virtual Pool read_policy() { return read(); }

  /// Usage records that ended at or after `from`, oldest end first, and those with the same end in
  /// the order in which they were appended.
  virtual std::unique_ptr<HistoryReader> read_history(WallTime from) = 0;

  /// All of them at once.
  std::vector<UsageRecord> history(WallTime from);

  /// Deletes every usage record.
  virtual void forget_history() = 0;

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

  /// Slow upkeep, such as an fsync. Call it only where nobody is waiting for you.
  virtual void tidy_up() {}

  /// Where it is, for messages: "/var/lib/canhazgpu/pool.db".
  virtual std::string location() const = 0;
};

}  // namespace chg
