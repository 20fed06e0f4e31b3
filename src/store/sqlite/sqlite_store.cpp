#include "store/sqlite/sqlite_store.h"

#include <cerrno>
#include <filesystem>

#include <SQLiteCpp/SQLiteCpp.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file_lock.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "store/difference.h"
#include "store/sqlite/bells.h"
#include "store/sqlite/pool_rows.h"
#include "store/sqlite/schema.h"

namespace chg {
namespace {

// PRAGMA user_version of the schema that this program writes; a later one is of a later program.
constexpr int kSchemaVersion = 4;
// PRAGMA application_id, so that no other SQLite file is taken for a store: "chgp".
constexpr int kApplicationId = 0x63686770;
// How long a writer waits for the others. A write takes a millisecond: longer means a stopped one.
constexpr auto kWriterPatience = std::chrono::seconds(10);

// A command that is alone reads the whole log when it opens the store (1.5 us a page), so it is
// kept short: by those who have time (tidy_up), and if there are none, by whoever makes it too
// long. At that length copying it (1 ms) costs a command that writes 5 pages as much as reading it.
constexpr int kLogPagesTidy = 50;
constexpr int kLogPagesMax = 100;

// A connection belongs to one thread: no locks of SQLite's own.
constexpr int kOpen = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;

bool lacks_log(const std::string& path) {
  return access((path + "-wal").c_str(), F_OK) != 0 || access((path + "-shm").c_str(), F_OK) != 0;
}

// Another program that was the last to close the database has deleted its log, and this user may
// not make files in the directory.
[[noreturn]] void refuse_without_log(const std::string& where) {
  throw Error(ErrorKind::NotPermitted, fmt::format("the {} cannot be opened", where),
              "its -wal and -shm files must be there and writable; any canhazgpu command of its "
              "owner restores them");
}

// The one place where SQLite's codes become errors.
[[noreturn]] void rethrow(const SQLite::Exception& error, const std::string& path) {
  // As sqlite3_system_errno has it, where there is still a database to be asked.
  const int system_error = errno;
  const std::string where = fmt::format("store '{}'", printable(path));
  switch (error.getErrorCode()) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      throw Error(ErrorKind::Failed,
                  fmt::format("the {} is damaged ({})", where, error.getErrorStr()),
                  "nothing was changed; move it aside, keep it, and set the pool up again with: "
                  "canhazgpu admin");
    case SQLITE_FULL:
      throw Error(ErrorKind::Failed, fmt::format("no space left for the {}", where),
                  "nothing was changed; make room on its disk and try again")
          .with(Retry::Later);
    case SQLITE_READONLY:
      if (lacks_log(path)) refuse_without_log(where);
      [[fallthrough]];
    case SQLITE_PERM:
    case SQLITE_AUTH:
      throw Error(ErrorKind::NotPermitted, fmt::format("the {} cannot be written", where),
                  "ask the administrator for access to it (canhazgpu admin --group)");
    case SQLITE_CANTOPEN:
      if (system_error == EMFILE || system_error == ENFILE) {
        throw errno_error(fmt::format("the {} cannot be opened", where), system_error,
                          "close other programs, or raise the limit: ulimit -n");
      }
      refuse_without_log(where);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      throw Error(ErrorKind::Failed, fmt::format("the {} is locked by another program", where),
                  "close what else has it open, such as sqlite3")
          .with(Retry::Busy);
    default:
      throw Error(ErrorKind::Failed, fmt::format("the {} failed: {}", where, error.what()))
          .with(Retry::Later);
  }
}

class SqliteEvents final : public EventReader {
 public:
  SqliteEvents(SQLite::Database& database, const EventsAsked& asked, std::string path)
      : rows_(database, asked), path_(std::move(path)) {}

  std::vector<Event> next() override {
    try {
      return rows_.next(kEventsAtOnce);
    } catch (const SQLite::Exception& error) {
      rethrow(error, path_);
    }
  }

  EventPosition position() const override {
    return {static_cast<std::uint64_t>(rows_.serial()), 0};
  }

 private:
  static constexpr std::size_t kEventsAtOnce = 1000;

  EventRows rows_;
  std::string path_;
};

class SqliteStore final : public Store {
 public:
  explicit SqliteStore(std::string path)
      : path_(std::move(path)),
        bells_(path_ + "-bells"),
        database_(path_, kOpen, static_cast<int>(kWriterPatience / std::chrono::milliseconds(1))),
        rows_(database_) {
    // The last one to leave neither copies the log into the database nor deletes it: the one would
    // take an fsync at the end of each command, the other needs rights to the directory.
    int keep = 1;
    sqlite3_file_control(database_.getHandle(), nullptr, SQLITE_FCNTL_PERSIST_WAL, &keep);
    sqlite3_db_config(database_.getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    // Commits survive a kill as they are. From a power loss they are saved where that was promised
    // (sync_log); the log itself is always synced before it is copied.
    database_.exec("PRAGMA synchronous = NORMAL");
    sqlite3_wal_hook(database_.getHandle(), note_log_pages, this);
  }

  int version() { return database_.execAndGet("PRAGMA user_version").getInt(); }
  int application_id() { return database_.execAndGet("PRAGMA application_id").getInt(); }

  bool is_empty() {
    return database_.execAndGet("SELECT count(*) FROM sqlite_master").getInt() == 0;
  }

  // Makes the tables in a database that has none.
  void make_schema() {
    const FileLock lock(path_ + "-lock", "the store", kWriterPatience);
    if (!is_empty()) return;  // somebody else was faster
    database_.exec("PRAGMA page_size = 1024; PRAGMA journal_mode = WAL");
    SQLite::Transaction transaction(database_, SQLite::TransactionBehavior::IMMEDIATE);
    database_.exec(kSchema);
    database_.exec(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}",
                               kApplicationId, kSchemaVersion));
    transaction.commit();
  }

  void update(const std::function<void(Pool&)>& change) override {
    bool promised = false;
    try {
      const FileLock lock(path_ + "-lock", "the store", kWriterPatience);
      SQLite::Transaction transaction(database_, SQLite::TransactionBehavior::IMMEDIATE);
      const Pool before = rows_.read();
      Pool after = before;
      change(after);
      const Difference what = difference(before, after);
      if (what.is_empty) return;
      rows_.write(after, what);
      // Rings when it goes, which is before the lock does and after the commit.
      std::vector<UniqueFd> pulled;
      if (!what.heartbeats_only) pulled = bells_.pull(what.requests_removed);
      transaction.commit();
      promised = what.manual_changed;
    } catch (const SQLite::Exception& error) {
      rethrow(error, path_);
    }
    if (promised) sync_log();
    // Without the lock, so that nobody waits for it.
    if (log_pages_ >= kLogPagesMax) copy_log();
  }

  Pool read() override {
    try {
      SQLite::Transaction snapshot(database_);
      return rows_.read();
    } catch (const SQLite::Exception& error) {
      rethrow(error, path_);
    }
  }

  Pool read_policy() override {
    try {
      return rows_.read_policy();
    } catch (const SQLite::Exception& error) {
      rethrow(error, path_);
    }
  }

  std::unique_ptr<EventReader> read_events(const EventsAsked& asked) override {
    try {
      return std::make_unique<SqliteEvents>(database_, asked, path_);
    } catch (const SQLite::Exception& error) {
      rethrow(error, path_);
    }
  }

  void forget_events(WallTime before) override {
    const std::string some = fmt::format(
        "DELETE FROM events WHERE serial IN "
        "(SELECT serial FROM events WHERE serial < {} ORDER BY serial LIMIT 10000)",
        before.time_since_epoch().count());
    try {
      // Some at a time, so that other writers don't wait for long.
      for (int deleted = 1; deleted > 0;) {
        const FileLock lock(path_ + "-lock", "the store", kWriterPatience);
        deleted = database_.exec(some);
      }
    } catch (const SQLite::Exception& error) {
      rethrow(error, path_);
    }
  }

  std::unique_ptr<Subscription> subscribe_to(const std::string& request_id) override {
    return bells_.listen_to(request_id);
  }

  std::unique_ptr<Subscription> subscribe_to_changes() override {
    return bells_.listen_to_changes();
  }

  void tidy_up() override {
    if (log_pages_ >= kLogPagesTidy) copy_log();
  }

  std::string location() const override { return path_; }

 private:
  // SQLite calls it after each commit of ours, with the size of the log.
  static int note_log_pages(void* self, sqlite3* /*database*/, const char* /*name*/, int pages) {
    auto* store = static_cast<SqliteStore*>(self);
    store->log_pages_ = pages;
    return SQLITE_OK;
  }

  // Copies the log into the database, as far as nobody stands in the way, and empties it. That it
  // can't now is no failure.
  void copy_log() {
    sqlite3* database = database_.getHandle();
    int pages = 0;
    int copied = 0;
    sqlite3_wal_checkpoint_v2(database, nullptr, SQLITE_CHECKPOINT_PASSIVE, &pages, &copied);
    if (copied < pages) return;
    // The next to write would begin it anew, but for those who were alone when they opened it: they
    // don't know that it was copied. Nothing is left to sync, so others wait for this no longer
    // than for a commit.
    try {
      const FileLock lock(path_ + "-lock", "the store", std::chrono::milliseconds(100));
      sqlite3_busy_timeout(database, 0);
      sqlite3_wal_checkpoint_v2(database, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
    } catch (const Error&) {
      // Somebody writes for long; the next to tidy up empties it.
    }
    sqlite3_busy_timeout(database,
                         static_cast<int>(kWriterPatience / std::chrono::milliseconds(1)));
  }

  // Once the log is on disk, so is every commit in it; done without the lock, so that nobody waits
  // for another's disk.
  void sync_log() const {
    const std::string log = path_ + "-wal";
    const UniqueFd fd(::open(log.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd && fdatasync(fd.get()) == 0) return;
    const int why = errno;
    throw errno_error(fmt::format("the change is made, but '{}' could not be synced", log), why,
                      "it is lost if the power fails now; see what stands: canhazgpu status");
  }

  std::string path_;
  Bells bells_;
  SQLite::Database database_;
  PoolRows rows_;
  int log_pages_ = 0;  ///< after the last commit
};

// Whether all that is in the directory is a store's.
bool holds_only_a_store(const std::filesystem::path& directory, const std::string& store_name) {
  const std::filesystem::directory_iterator entries(directory);
  return std::all_of(begin(entries), end(entries), [&](const auto& entry) {
    const std::string name = entry.path().filename();
    return name.starts_with(store_name) || name == "fake-gpus.json";
  });
}

// Makes the directory where it is missing. One that was there is somebody's choice, and is shared
// only with a group that is named now, if nothing else is in it.
void make_directory(const std::string& path, const Sharing& sharing) {
  const std::filesystem::path file(path);
  const std::filesystem::path directory = file.parent_path();
  if (directory.empty()) return;
  std::error_code failure;
  std::filesystem::create_directories(directory.parent_path(), failure);
  if (mkdir(directory.c_str(), 0755) != 0) {
    if (errno != EEXIST) throw_errno(fmt::format("cannot make '{}'", directory.string()));
    if (sharing.gid < 0 || !holds_only_a_store(directory, file.filename())) return;
  }
  const unsigned readers = sharing.mode & 0444U;
  const bool owned =
      sharing.gid < 0 || chown(directory.c_str(), -1U, static_cast<gid_t>(sharing.gid)) == 0;
  if (!owned || chmod(directory.c_str(), 0300U | readers | readers >> 2U) != 0) {
    throw_errno(fmt::format("cannot share '{}'", directory.string()));
  }
}

// Makes the file where it is missing, and gives it its mode whatever the umask says.
void make_file(const std::string& path, const Sharing& sharing) {
  const UniqueFd fd(
      ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  if (!fd) throw_errno(fmt::format("cannot make '{}'", path));
  // Rights to a file that has another name elsewhere are not ours to give.
  struct stat made {};
  if (fstat(fd.get(), &made) != 0 || !S_ISREG(made.st_mode) || made.st_nlink != 1) {
    throw Error(ErrorKind::Failed, fmt::format("'{}' is no file of its own", path), "remove it");
  }
  const bool owned = sharing.gid < 0 || fchown(fd.get(), -1U, static_cast<gid_t>(sharing.gid)) == 0;
  if (!owned || fchmod(fd.get(), sharing.mode) != 0) {
    throw_errno(fmt::format("cannot share '{}'", path));
  }
}

// The log and its index are SQLite's; it would make them with the rights of whoever comes first.
constexpr const char* kFiles[] = {"", "-lock", "-wal", "-shm", "-reading"};

void make_files(const std::string& path, const Sharing& sharing) {
  make_directory(path, sharing);
  for (const char* suffix : kFiles) make_file(path + suffix, sharing);
  Bells(path + "-bells").create(sharing.mode, sharing.gid);
}

bool has_all_files(const std::string& path) {
  return Bells(path + "-bells").are_made() &&
         std::all_of(std::begin(kFiles), std::end(kFiles), [&](const char* suffix) {
           return access((path + suffix).c_str(), F_OK) == 0;
         });
}

// Who may use a file that is there.
Sharing sharing_of(const std::string& path) {
  struct stat file {};
  if (stat(path.c_str(), &file) != 0) throw_errno(fmt::format("cannot read '{}'", path));
  return {file.st_mode & 0666U, static_cast<int>(file.st_gid)};
}

void require_ours(SqliteStore& store, const std::string& path) {
  if (store.application_id() == kApplicationId || store.is_empty()) return;
  throw Error(ErrorKind::Failed,
              fmt::format("'{}' is a database of another program", printable(path)),
              "name another file with --store sqlite:PATH");
}

void check(SqliteStore& store, const std::string& path) {
  require_ours(store, path);
  const int version = store.version();
  if (version == 0) {
    throw Error(ErrorKind::Failed, fmt::format("there is no pool in '{}' yet", printable(path)),
                "set it up with: canhazgpu admin");
  }
  if (version > kSchemaVersion) {
    throw Error(ErrorKind::Failed,
                fmt::format("the store '{}' was made by a newer canhazgpu (its version is {}, this "
                            "program knows {})",
                            printable(path), version, kSchemaVersion),
                "update this canhazgpu");
  }
  if (version < kSchemaVersion) {
    throw Error(ErrorKind::Failed,
                fmt::format("the store '{}' was made by an earlier canhazgpu (its version is {}, "
                            "this program knows {})",
                            printable(path), version, kSchemaVersion),
                "move it aside and set the pool up again with: canhazgpu admin");
  }
}

// Says in words why a file can't be had, where SQLite would only say that it can't.
void require_access(const std::string& path) {
  if (access(path.c_str(), F_OK) != 0) {
    if (errno == EACCES) {
      throw errno_error(fmt::format("cannot reach the store '{}'", printable(path)), errno,
                        "ask the administrator for access to it (canhazgpu admin --group)");
    }
    throw Error(ErrorKind::Failed,
                fmt::format("there is no pool on this host yet (no '{}')", printable(path)),
                "set it up with: canhazgpu admin");
  }
  if (access(path.c_str(), R_OK | W_OK) != 0) {
    throw errno_error(fmt::format("cannot write the store '{}'", printable(path)), errno,
                      "ask the administrator for access to it (canhazgpu admin --group)");
  }
}

}  // namespace

std::unique_ptr<Store> open_sqlite_store(const std::string& path) {
  require_access(path);
  try {
    auto store = std::make_unique<SqliteStore>(path);
    check(*store, path);
    return store;
  } catch (const SQLite::Exception& error) {
    rethrow(error, path);
  }
}

std::unique_ptr<Store> create_sqlite_store(const std::string& path,
                                           const std::optional<Sharing>& sharing) {
  const bool is_new = access(path.c_str(), F_OK) != 0;
  try {
    if (!is_new) {
      require_access(path);
      SqliteStore present(path);
      require_ours(present, path);
    }
    if (is_new || sharing || !has_all_files(path)) {
      make_files(path, sharing.value_or(is_new ? Sharing{} : sharing_of(path)));
    }
    auto store = std::make_unique<SqliteStore>(path);
    if (store->is_empty()) store->make_schema();
    check(*store, path);
    return store;
  } catch (const SQLite::Exception& error) {
    rethrow(error, path);
  }
}

}  // namespace chg
