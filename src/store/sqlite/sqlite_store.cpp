#include "store/sqlite/sqlite_store.h"

#include <cerrno>
#include <filesystem>
#include <set>

#include <SQLiteCpp/SQLiteCpp.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file_lock.h"
#include "base/shell_word.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "store/difference.h"
#include "store/sqlite/bells.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/file_system.h"
#include "store/sqlite/files.h"
#include "store/sqlite/pool_rows.h"
#include "store/sqlite/schema.h"

namespace chg {
namespace {

// PRAGMA user_version of the schema that this program writes; a later one is of a later program.
constexpr int kSchemaVersion = 4;
// PRAGMA application_id, so that no other SQLite file is taken for a store: "chgp".
constexpr int kApplicationId = 0x63686770;
// Tables of schema.sql.
constexpr std::size_t kPartsOfSchema = 2;

// A command that is alone reads the whole log when it opens the store (1.5 us a page), so it is
// kept short: by those who have time (tidy_up), and if there are none, by whoever makes it too
// long. At that length copying it (1 ms) costs a command that writes 5 pages as much as reading it.
constexpr int kLogPagesTidy = 50;
constexpr int kLogPagesMax = 100;

// REQUIRES: a transaction.
void make_tables(SQLite::Database& database) {
  database.exec(kSchema);
  database.exec(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", kApplicationId,
                            kSchemaVersion));
}

class SqliteStore;

class SqliteEvents final : public EventReader {
 public:
  SqliteEvents(SqliteStore& store, const EventsAsked& asked) : store_(store), asked_(asked) {}

  std::vector<Event> next() override;

  EventPosition position() const override { return asked_.after; }

 private:
  static constexpr std::size_t kEventsAtOnce = 1000;

  SqliteStore& store_;
  EventsAsked asked_;
  std::optional<EventRows> rows_;  ///< none between two calls of who is alone
};

class SqliteStore final : public Store {
 public:
  explicit SqliteStore(std::string path)
      : path_(std::move(path)), bells_(path_ + "-bells"), connection_(connect_to_sqlite(path_)) {}

  SqliteStore(std::string path, std::shared_ptr<SqliteConnection> connection)
      : path_(std::move(path)), bells_(path_ + "-bells"), connection_(std::move(connection)) {}

  int version() { return database().execAndGet("PRAGMA user_version").getInt(); }
  int application_id() { return database().execAndGet("PRAGMA application_id").getInt(); }

  bool is_empty() {
    return database().execAndGet("SELECT count(*) FROM sqlite_schema").getInt() == 0;
  }

  // The name of something in the database that schema.sql does not make; "" when it holds exactly
  // what that makes.
  std::string foreign_part() {
    SQLite::Statement parts(database(), "SELECT name, sql FROM sqlite_schema");
    std::set<std::string> found;
    while (parts.executeStep()) {
      // SQLite keeps the text of each statement, without the semicolon.
      const std::string sql = parts.getColumn(1).getString();
      const bool is_ours = !sql.empty() && std::string_view(kSchema).find(sql + ';') != npos;
      if (!is_ours || !found.insert(sql).second) return parts.getColumn(0).getString();
    }
    return found.size() == kPartsOfSchema ? "" : "a table is missing";
  }

  void require_integrity() {
    const std::string found = database().execAndGet("PRAGMA integrity_check").getString();
    if (found == "ok") return;
    throw Error(ErrorKind::Failed,
                fmt::format("'{}' is damaged ({})", path_, printable(found, 100)),
                "use another backup, or make it again");
  }

  // Makes the tables in a database that has none.
  void make_schema() {
    const FileLock lock(path_ + "-lock", "the store", kSqlitePatience);
    if (!is_empty()) return;  // somebody else was faster
    // Nothing can be lost yet, so a journal in memory will do.
    database().exec(
        "PRAGMA journal_mode = MEMORY; PRAGMA page_size = 1024; "
        "PRAGMA journal_mode = WAL");
    SQLite::Transaction transaction(database(), SQLite::TransactionBehavior::IMMEDIATE);
    make_tables(database());
    transaction.commit();
  }

  void update(const std::function<void(Pool&)>& change) override {
    bool promised = false;
    const Use use(*this);
    if (!connection().can_write()) refuse_read_only(path_);
    try {
      const FileLock lock(path_ + "-lock", "the store", kSqlitePatience);
      SQLite::Transaction transaction(database(), SQLite::TransactionBehavior::IMMEDIATE);
      const Pool before = connection().rows().read();
      Pool after = before;
      change(after);
      const Difference what = difference(before, after);
      if (what.is_empty) return;
      connection().begin_statements();
      connection().rows().write(after, what);
      // Rings when it goes, which is before the lock does and after the commit.
      std::vector<UniqueFd> pulled;
      if (!what.heartbeats_only) pulled = bells_.pull(what.requests_removed);
      transaction.commit();
      promised = what.manual_changed;
    } catch (const SQLite::Exception& error) {
      rethrow_sqlite(error, path_);
    }
    if (promised) sync_log();
    // Without the lock, so that nobody waits for it.
    if (connection().log_pages() >= kLogPagesMax) connection().copy_log();
  }

  Pool read() override {
    const Use use(*this);
    try {
      SQLite::Transaction snapshot(database());
      return connection().rows().read();
    } catch (const SQLite::Exception& error) {
      rethrow_sqlite(error, path_);
    }
  }

  Pool read_past_damage(std::vector<std::string>& damaged) override {
    const Use use(*this);
    try {
      SQLite::Transaction snapshot(database());
      return connection().rows().read(&damaged);
    } catch (const SQLite::Exception& error) {
      rethrow_sqlite(error, path_);
    }
  }

  void drop_records(const std::vector<std::string>& fields) override {
    const Use use(*this);
    try {
      const FileLock lock(path_ + "-lock", "the store", kSqlitePatience);
      SQLite::Transaction transaction(database(), SQLite::TransactionBehavior::IMMEDIATE);
      for (const std::string& field : fields) connection().rows().drop(field);
      transaction.commit();
    } catch (const SQLite::Exception& error) {
      rethrow_sqlite(error, path_);
    }
  }

  Pool read_policy() override {
    const Use use(*this);
    try {
      return connection().rows().read_policy();
    } catch (const SQLite::Exception& error) {
      rethrow_sqlite(error, path_);
    }
  }

  std::unique_ptr<EventReader> read_events(const EventsAsked& asked) override {
    return std::make_unique<SqliteEvents>(*this, asked);
  }

  void forget_events(WallTime before) override {
    const std::string some = fmt::format(
        "DELETE FROM events WHERE serial IN "
        "(SELECT serial FROM events WHERE serial < {} ORDER BY serial LIMIT 10000)",
        before.time_since_epoch().count());
    const Use use(*this);
    try {
      // Some at a time, so that other writers don't wait for long.
      for (int deleted = 1; deleted > 0;) {
        const FileLock lock(path_ + "-lock", "the store", kSqlitePatience);
        connection().begin_statements();
        deleted = database().exec(some);
      }
    } catch (const SQLite::Exception& error) {
      rethrow_sqlite(error, path_);
    }
  }

  std::unique_ptr<Subscription> subscribe_to(const std::string& request_id) override {
    return bells_.listen_to(request_id);
  }

  std::unique_ptr<Subscription> subscribe_to_changes() override {
    return bells_.listen_to_changes();
  }

  void tidy_up() override {
    if (connection_ && connection().log_pages() >= kLogPagesTidy) connection().copy_log();
  }

  void make_whole() override {
    const Use use(*this);
    connection().copy_log();
  }

  std::string location() const override { return path_; }

  // One use of the connection. Who is alone locks everybody else out, and so leaves at its end.
  class Use {
   public:
    explicit Use(SqliteStore& store) : store_(store) {
      try {
        if (!store_.connection_) store_.connection_ = connect_to_sqlite(store_.path_);
      } catch (const SQLite::Exception& error) {
        rethrow_sqlite(error, store_.path_);
      }
      store_.connection().begin_statements();
    }
    ~Use() {
      if (store_.connection().is_alone()) store_.connection_.reset();
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    SqliteStore& store_;
  };

 private:
  static constexpr auto npos = std::string_view::npos;

  friend SqliteEvents;

  SqliteConnection& connection() { return *connection_; }
  SQLite::Database& database() { return connection_->database(); }

  // Once the log is on disk, so is every commit in it; done without the lock, so that nobody waits
  // for another's disk.
  void sync_log() {
    const std::string log = connection().log_file();
    const UniqueFd fd(::open(log.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (fd && fdatasync(fd.get()) == 0) return;
    const int why = errno;
    throw errno_error(fmt::format("the change is made, but '{}' could not be synced", log), why,
                      "it is lost if the power fails now; see what stands: canhazgpu status");
  }

  std::string path_;
  Bells bells_;
  std::shared_ptr<SqliteConnection> connection_;  ///< none after a use by who is alone
};

std::vector<Event> SqliteEvents::next() {
  const SqliteStore::Use use(store_);
  // Before the connection.
  const auto close = [&] {
    if (store_.connection().is_alone()) rows_.reset();
  };
  try {
    if (!rows_) rows_.emplace(store_.database(), asked_);
    std::vector<Event> events = rows_->next(kEventsAtOnce);
    asked_.after = {static_cast<std::uint64_t>(rows_->serial()), 0};
    close();
    return events;
  } catch (const SQLite::Exception& error) {
    close();
    rethrow_sqlite(error, store_.location());
  }
}

void require_ours(SqliteStore& store, const std::string& path) {
  // In this order: somebody may make the pool between the two questions.
  if (store.is_empty() || store.application_id() == kApplicationId) return;
  throw Error(ErrorKind::Failed, fmt::format("'{}' is a database of another program", path),
              "name another file with --store sqlite:PATH");
}

void check(SqliteStore& store, const std::string& path) {
  require_ours(store, path);
  const int version = store.version();
  if (version == 0) {
    throw Error(ErrorKind::Failed, fmt::format("there is no pool in '{}' yet", path),
                "set it up with: canhazgpu admin");
  }
  if (version > kSchemaVersion) {
    throw Error(ErrorKind::Failed,
                fmt::format("the store '{}' was made by a newer canhazgpu (its version is {}, this "
                            "program knows {})",
                            path, version, kSchemaVersion),
                "update this canhazgpu");
  }
  if (version < kSchemaVersion) {
    throw Error(ErrorKind::Failed,
                fmt::format("the store '{}' was made by an earlier canhazgpu (its version is {}, "
                            "this program knows {})",
                            path, version, kSchemaVersion),
                "move it aside and set the pool up again with: canhazgpu admin");
  }
  const std::string foreign = store.foreign_part();
  if (!foreign.empty()) {
    throw Error(ErrorKind::Failed,
                fmt::format("the store '{}' was tampered with: '{}' is no part of a pool", path,
                            printable(foreign, 60)),
                "look at it with sqlite3, and take it out, or move the store aside");
  }
}

// A directory, a pipe or a device is no store.
void require_file(const std::string& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0 || S_ISREG(found.st_mode)) return;
  if (!S_ISDIR(found.st_mode)) {
    throw Error(ErrorKind::Failed, fmt::format("the store '{}' is not a regular file", path),
                "name another file with --store sqlite:PATH");
  }
  const std::string inside = std::filesystem::path(path) / "pool.db";
  throw Error(ErrorKind::Failed, fmt::format("the store '{}' is a directory", path),
              fmt::format("name a file in it: --store {}", shell_word("sqlite:" + inside)));
}

// Says in words why a file can't be had, where SQLite would only say that it can't.
void require_access(const std::string& path) {
  if (access(path.c_str(), F_OK) != 0) {
    if (errno == EACCES) {
      throw errno_error(fmt::format("cannot reach the store '{}'", path), errno,
                        "ask the administrator for access to it (canhazgpu admin --group)");
    }
    throw Error(ErrorKind::Failed, fmt::format("there is no pool on this host yet (no '{}')", path),
                "set it up with: canhazgpu admin");
  }
  require_file(path);
  const int wanted = is_read_only(path) ? R_OK : R_OK | W_OK;
  if (access(path.c_str(), wanted) != 0) {
    throw errno_error(fmt::format("cannot write the store '{}'", path), errno,
                      "ask the administrator for access to it (canhazgpu admin --group)");
  }
}

}  // namespace

std::unique_ptr<Store> open_sqlite_store(const std::string& path) {
  require_access(path);
  try {
    auto store = std::make_unique<SqliteStore>(path);
    const SqliteStore::Use use(*store);
    check(*store, path);
    return store;
  } catch (const SQLite::Exception& error) {
    rethrow_sqlite(error, path);
  }
}

std::unique_ptr<Store> create_sqlite_store(const std::string& path,
                                           const std::optional<Sharing>& sharing) {
  const bool is_new = access(path.c_str(), F_OK) != 0;
  try {
    if (!is_new) {
      require_access(path);
      if (is_read_only(path)) refuse_read_only(path);
      SqliteStore present(path);
      require_ours(present, path);
    }
    if (is_new || sharing || !has_store_files(path)) {
      make_store_files(path, sharing.value_or(is_new ? Sharing{} : sharing_of_file(path)));
      require_able_file_system(path);
    }
    auto store = std::make_unique<SqliteStore>(path);
    const SqliteStore::Use use(*store);
    if (store->is_empty()) store->make_schema();
    check(*store, path);
    return store;
  } catch (const SQLite::Exception& error) {
    rethrow_sqlite(error, path);
  }
}

void write_sqlite_backup(const std::string& path, const Pool& pool, EventReader& events) {
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) throw_errno(fmt::format("cannot make '{}'", path));
  try {
    const auto connection = std::make_shared<SqliteConnection>(path, Access::Shared);
    SQLite::Database& database = connection->database();
    // Nothing can be lost yet; it is synced below.
    database.exec(
        "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA page_size = 1024");
    SQLite::Transaction transaction(database);
    make_tables(database);
    connection->rows().write(pool, difference(Pool{}, pool));
    Pool some;
    for (some.events = events.next(); !some.events.empty(); some.events = events.next()) {
      connection->begin_statements();
      connection->rows().write(some, Difference{});
    }
    transaction.commit();
    connection->begin_statements();
    SqliteStore(path, connection).require_integrity();
  } catch (const SQLite::Exception& error) {
    rethrow_sqlite(error, path);
  }
  if (fsync(fd.get()) != 0) throw_errno(fmt::format("cannot sync '{}'", path));
}

std::unique_ptr<Store> open_sqlite_backup(const std::string& path) {
  struct stat file {};
  if (stat(path.c_str(), &file) != 0 || access(path.c_str(), R_OK) != 0) {
    throw_errno(fmt::format("cannot read the backup '{}'", path));
  }
  if (!S_ISREG(file.st_mode)) {
    throw Error(ErrorKind::Failed, fmt::format("'{}' is not a regular file", path),
                "name a file that 'canhazgpu store backup' has made");
  }
  try {
    auto store =
        std::make_unique<SqliteStore>(path, std::make_shared<SqliteConnection>(path, Access::Copy));
    check(*store, path);
    store->require_integrity();
    return store;
  } catch (const SQLite::Exception& error) {
    rethrow_sqlite(error, path);
  }
}

}  // namespace chg
