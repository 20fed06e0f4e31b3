// A connection to the database of the embedded store.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <SQLiteCpp/SQLiteCpp.h>

#include "base/clock.h"
#include "base/file_lock.h"
#include "store/sqlite/pool_rows.h"

namespace chg {

/// How long a writer waits for the others, and a statement may take. A write takes a millisecond:
/// longer means that somebody is stopped, or that the file holds what no pool does.
inline constexpr auto kSqlitePatience = std::chrono::seconds(10);

/// Shared: as others, with a log (pool.db-wal) and its index (pool.db-shm) beside the database.
///
/// Alone: without those two files. SQLite's own shell deletes them when it is the last to close the
/// database, and a user who may not write the directory can't make them again. Such a user locks
/// everybody out while the connection lasts, keeps its log in pool.db-standby, and copies it into
/// the database at the end. Somebody who was killed in between leaves the log there, and the next
/// connection copies it.
///
/// ReadOnly: as Shared, of a store on a file system that is mounted read-only.
///
/// Copy: only reads a file that nobody changes, such as a backup, and makes nothing beside it.
enum class Access { Shared, Alone, ReadOnly, Copy };

class SqliteConnection {
 public:
  /// Throws SQLite::Exception, and Error where there are too few descriptors. It trusts nothing in
  /// the file: no view or trigger takes effect, no value is longer than a pool's, and SQLite
  /// deletes no file.
  SqliteConnection(const std::string& path, Access access);
  ~SqliteConnection();
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  SQLite::Database& database() { return database_; }
  PoolRows& rows() { return rows_; }
  bool is_alone() const { return access_ == Access::Alone; }
  bool can_write() const { return access_ == Access::Shared || access_ == Access::Alone; }

  /// The log that this connection writes.
  std::string log_file() const;

  /// How many pages were in the log after the last commit.
  int log_pages() const { return log_pages_; }

  /// Statements that take longer than kSqlitePatience from now on fail (SQLITE_INTERRUPT).
  void begin_statements() { statements_end_ = SteadyClock::now() + kSqlitePatience; }

  /// Copies the log into the database, as far as nobody stands in the way, and empties it. That it
  /// can't now is no failure.
  void copy_log();

 private:
  void set_up();

  std::string path_;
  Access access_;
  std::optional<FileLock> turn_;  ///< of those who want to be alone
  SQLite::Database database_;
  PoolRows rows_;
  SteadyClock::time_point statements_end_;
  int log_pages_ = 0;
};

/// Connects to the store at `path`: shared where the log is there or can be made, else alone. On a
/// file system that is mounted read-only, only to read. Throws as SqliteConnection does.
std::shared_ptr<SqliteConnection> connect_to_sqlite(const std::string& path);

/// The one place where SQLite's codes become errors.
[[noreturn]] void rethrow_sqlite(const SQLite::Exception& error, const std::string& path);

}  // namespace chg
