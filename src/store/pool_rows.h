// The pool as rows of schema.sql.
#pragma once

#include <string>
#include <vector>

#include "core/pool.h"
#include "store/difference.h"

namespace SQLite {
class Database;
}

namespace chg {

/// Reads the whole pool. REQUIRES: a transaction, so that it is one state.
Pool read_pool(SQLite::Database& database);

/// Pool::provider.
std::string read_provider(SQLite::Database& database);

/// Writes what differs, and appends after.ended. REQUIRES: the transaction in which the pool was
/// read.
void write_difference(SQLite::Database& database, const Pool& after, const Difference& what);

/// The usage records that ended at or after `from`, oldest end first.
std::vector<UsageRecord> read_history(SQLite::Database& database, WallTime from);

}  // namespace chg
