// The pool as rows of schema.sql.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <SQLiteCpp/Statement.h>

#include "core/pool.h"
#include "store/difference.h"
#include "store/store.h"

namespace SQLite {
class Database;
}  // namespace SQLite

namespace chg {

/// Reads and writes the pool. Throws SQLite::Exception, or Error for what no version of this
/// program has written. Keeps its statements: preparing one takes longer than to read a small pool.
/// Not to be used after its database is gone.
class PoolRows {
 public:
  explicit PoolRows(SQLite::Database& database) : database_(database) {}

  /// The whole pool. REQUIRES: a transaction, so that it is one state. Records that can't be read
  /// go to `damaged`, by their fields, or are an Error.
  Pool read(std::vector<std::string>* damaged = nullptr);

  /// Deletes a record.
  void drop(const std::string& field);

  /// The provider and the policy alone.
  Pool read_policy();

  /// Writes what differs, and appends after.events. REQUIRES: the transaction in which the pool was
  /// read.
  void write(const Pool& after, const Difference& what);

 private:
  // Prepared when first needed.
  SQLite::Statement& prepared(std::optional<SQLite::Statement>& statement, const char* text);

  // The records whose fields are not before `first`.
  SQLite::Statement& select_from(const char* first);

  void put(const std::string& field, const std::string& record);
  void append(const Event& event);

  SQLite::Database& database_;
  std::optional<SQLite::Statement> select_;
  std::optional<SQLite::Statement> put_;
  std::optional<SQLite::Statement> drop_;
  std::optional<SQLite::Statement> append_;
};

/// Reads events as Store::read_events does; throws SQLite::Exception. Holds no lock between two
/// calls.
class EventRows {
 public:
  EventRows(SQLite::Database& database, const EventsAsked& asked);

  /// At most `count`; none where there are no more.
  std::vector<Event> next(std::size_t count);

  /// Of the last one that was read.
  std::int64_t serial() const { return serial_; }

 private:
  SQLite::Statement select_;
  std::int64_t serial_;
};

}  // namespace chg
