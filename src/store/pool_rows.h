// The pool as rows of schema.sql.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/pool.h"
#include "store/difference.h"

namespace SQLite {
class Database;
class Statement;
}  // namespace SQLite

namespace chg {

/// Reads the whole pool. REQUIRES: a transaction, so that it is one state.
Pool read_pool(SQLite::Database& database);

/// Pool::provider.
std::string read_provider(SQLite::Database& database);

/// Writes what differs, and appends after.ended. REQUIRES: the transaction in which the pool was
/// read.
void write_difference(SQLite::Database& database, const Pool& after, const Difference& what);

/// Reads usage records as Store::read_history does; throws SQLite::Exception.
class HistoryRows {
 public:
  HistoryRows(SQLite::Database& database, WallTime from);
  ~HistoryRows();

  /// At most `count`; none at the end.
  std::vector<UsageRecord> next(std::size_t count);

 private:
  std::unique_ptr<SQLite::Statement> select_;
};

}  // namespace chg
