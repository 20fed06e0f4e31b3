#include "store/sqlite/connection.h"

#include <cerrno>
#include <filesystem>
#include <set>
#include <string_view>

#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fatal_signals.h"
#include "base/poll.h"
#include "base/shell_word.h"
#include "base/text.h"
#include "store/sqlite/file_system.h"

namespace chg {
namespace {

// A connection belongs to one thread: no locks of SQLite's own.
constexpr int kOpen = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
constexpr int kOpenToRead = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI;

// Until somebody who wants to be alone looks again whether others are still there.
constexpr auto kAlonePause = std::chrono::milliseconds(5);

// Instructions of SQLite's machine between two looks at the clock: about a millisecond.
constexpr int kInstructionsMax = 100'000;

constexpr int kValueBytesMax = 1 << 24;
constexpr int kSqlBytesMax = 10'000;

constexpr std::string_view kLog = "-wal";

std::string standby_log_of(const std::string& path) { return path + "-standby"; }

bool exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

bool has_content(const std::string& path) {
  struct stat file {};
  return stat(path.c_str(), &file) == 0 && file.st_size > 0;
}

// SQLite's own way to files, which ours adds to.
sqlite3_vfs& files() {
  static sqlite3_vfs* const own = sqlite3_vfs_find("unix");
  return *own;
}

int open_file(sqlite3_vfs* /*vfs*/, const char* name, sqlite3_file* file, int flags, int* out) {
  return files().xOpen(&files(), name, file, flags, out);
}

// The log of who is alone is asked for when everybody else is locked out: so nobody makes the usual
// one at the same time.
int open_file_alone(sqlite3_vfs* /*vfs*/, const char* name, sqlite3_file* file, int flags,
                    int* out) {
  if ((flags & SQLITE_OPEN_WAL) != 0) {
    std::string standby(name);
    standby = standby_log_of(standby.substr(0, standby.size() - kLog.size()));
    if (has_content(standby) || !exists(name)) {
      static std::set<std::string> names;  // SQLite keeps the pointer
      name = names.insert(standby).first->c_str();
      flags &= ~SQLITE_OPEN_CREATE;
    }
  }
  return files().xOpen(&files(), name, file, flags, out);
}

// SQLite deletes nothing for us. It would obey a journal that somebody has put beside a database,
// and delete whatever file that names, with the rights of the caller.
int refuse_to_delete(sqlite3_vfs* /*vfs*/, const char* /*name*/, int /*sync*/) {
  return SQLITE_IOERR_DELETE;
}

class Files {
 public:
  Files(const char* name, decltype(sqlite3_vfs::xOpen) open) : vfs_(files()) {
    vfs_.pNext = nullptr;
    vfs_.zName = name;
    vfs_.xOpen = open;
    vfs_.xDelete = refuse_to_delete;
    sqlite3_vfs_register(&vfs_, 0);
  }

  const char* name() const { return vfs_.zName; }

 private:
  sqlite3_vfs vfs_;
};

const char* files_for(Access access) {
  static const Files shared("canhazgpu", open_file);
  static const Files alone("canhazgpu-alone", open_file_alone);
  return (access == Access::Alone ? alone : shared).name();
}

// Who wants to be alone keeps a lock while it waits, and so would wait for others who do the same.
int busy_patience_ms(Access access) {
  return access == Access::Alone ? 0
                                 : static_cast<int>(kSqlitePatience / std::chrono::milliseconds(1));
}

std::optional<FileLock> turn_of(Access access, const std::string& path) {
  if (access != Access::Alone) return std::nullopt;
  return std::optional<FileLock>(std::in_place, standby_log_of(path), "the store", kSqlitePatience);
}

// A path, or for a copy a URI that tells SQLite that nobody changes it.
std::string name_for(Access access, const std::string& path) {
  if (access != Access::Copy) return path;
  std::string uri = "file:";
  for (const char character : std::filesystem::absolute(path).string()) {
    const bool has_meaning = character == '%' || character == '?' || character == '#';
    uri += has_meaning ? fmt::format("%{:02x}", character) : std::string(1, character);
  }
  return uri + "?immutable=1";
}

bool lacks_log(const std::string& path) { return !exists(path + "-wal") || !exists(path + "-shm"); }

bool is_short_of_descriptors(int error_number) {
  return error_number == EMFILE || error_number == ENFILE;
}

// Whether it failed since the log is gone, and this user may not make it.
bool is_without_log(const SQLite::Exception& error, const std::string& path) {
  const int code = error.getErrorCode();
  return (code == SQLITE_CANTOPEN || code == SQLITE_READONLY) && lacks_log(path);
}

[[noreturn]] void refuse_without_descriptors(const std::string& path, int error_number) {
  throw errno_error(fmt::format("the store '{}' cannot be opened", path), error_number,
                    "close other programs, or raise the limit: ulimit -n");
}

[[noreturn]] void refuse_without_log(const std::string& where) {
  throw Error(ErrorKind::NotPermitted, fmt::format("the {} cannot be opened", where),
              "its -wal and -shm files must be there and writable; any canhazgpu command of its "
              "owner restores them");
}

bool has_file_size_limit() {
  rlimit limit{};
  return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

}  // namespace

SqliteConnection::SqliteConnection(const std::string& path, Access access)
    : path_(path),
      access_(access),
      turn_(turn_of(access, path)),
      database_(name_for(access, path), can_write() ? kOpen : kOpenToRead, busy_patience_ms(access),
                files_for(access)),
      rows_(database_) {
  // The index of the log is mapped, and everybody who may use the pool may truncate it.
  explain_sigbus(fmt::format("a file of the store '{}' was truncated while it was in use",
                             printable(path, 400)),
                 "try again; if it happens again, see who writes its -shm file");
  begin_statements();
  try {
    set_up();
    // The first that is read: it takes the locks.
    database_.execAndGet("PRAGMA application_id");
  } catch (const SQLite::Exception&) {
    // Asked before the database is closed.
    const int why = sqlite3_system_errno(database_.getHandle());
    if (is_short_of_descriptors(why)) refuse_without_descriptors(path, why);
    throw;
  }
}

SqliteConnection::~SqliteConnection() {
  // Also what somebody who was killed has left. What can't be copied stays, for the next to copy.
  if (is_alone()) {
    sqlite3_wal_checkpoint_v2(database_.getHandle(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr,
                              nullptr);
  }
}

void SqliteConnection::set_up() {
  sqlite3* const database = database_.getHandle();
  const auto set = [&](int option, int value) {
    sqlite3_db_config(database, option, value, nullptr);
  };
  // The last one to leave neither copies the log into the database nor deletes it: the one would
  // take an fsync at the end of each command, the other needs rights to the directory.
  int keep = 1;
  sqlite3_file_control(database, nullptr, SQLITE_FCNTL_PERSIST_WAL, &keep);
  set(SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1);
  // Everybody may write the file.
  set(SQLITE_DBCONFIG_DEFENSIVE, 1);
  set(SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0);
  set(SQLITE_DBCONFIG_ENABLE_TRIGGER, 0);
  set(SQLITE_DBCONFIG_ENABLE_VIEW, 0);
  sqlite3_limit(database, SQLITE_LIMIT_LENGTH, kValueBytesMax);
  sqlite3_limit(database, SQLITE_LIMIT_SQL_LENGTH, kSqlBytesMax);
  sqlite3_limit(database, SQLITE_LIMIT_ATTACHED, 0);
  sqlite3_progress_handler(
      database, kInstructionsMax,
      [](void* self) {
        return SteadyClock::now() > static_cast<SqliteConnection*>(self)->statements_end_ ? 1 : 0;
      },
      this);
  // SQLite calls it after each commit of ours, with the size of the log.
  sqlite3_wal_hook(
      database,
      [](void* self, sqlite3* /*database*/, const char* /*name*/, int pages) {
        static_cast<SqliteConnection*>(self)->log_pages_ = pages;
        return SQLITE_OK;
      },
      this);
  if (is_alone()) database_.exec("PRAGMA locking_mode = EXCLUSIVE");
  // Commits survive a kill as they are. From a power loss they are saved where that was promised;
  // the log itself is always synced before it is copied.
  database_.exec("PRAGMA synchronous = NORMAL");
}

std::string SqliteConnection::log_file() const {
  const std::string standby = standby_log_of(path_);
  return is_alone() && has_content(standby) ? standby : path_ + std::string(kLog);
}

void SqliteConnection::copy_log() {
  sqlite3* const database = database_.getHandle();
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
  sqlite3_busy_timeout(database, busy_patience_ms(access_));
}

namespace {

// Nobody can make a log there, nor copy the one of somebody who was alone.
std::shared_ptr<SqliteConnection> connect_to_read(const std::string& path) {
  if (has_content(standby_log_of(path))) refuse_read_only(path);
  return std::make_shared<SqliteConnection>(path,
                                            lacks_log(path) ? Access::Copy : Access::ReadOnly);
}

}  // namespace

std::shared_ptr<SqliteConnection> connect_to_sqlite(const std::string& path) {
  if (is_read_only(path)) return connect_to_read(path);
  const auto until = SteadyClock::now() + kSqlitePatience;
  while (true) {
    try {
      auto connection = std::make_shared<SqliteConnection>(path, Access::Shared);
      if (!has_content(standby_log_of(path))) return connection;
    } catch (const SQLite::Exception& error) {
      if (is_short_of_descriptors(errno)) refuse_without_descriptors(path, errno);
      if (!is_without_log(error, path) || !exists(standby_log_of(path))) throw;
    }
    try {
      return std::make_shared<SqliteConnection>(path, Access::Alone);
    } catch (const SQLite::Exception& error) {
      // Others are there, who may have made the log.
      if (error.getErrorCode() != SQLITE_BUSY || SteadyClock::now() >= until) throw;
      wait_ready({}, kAlonePause);
    }
  }
}

void rethrow_sqlite(const SQLite::Exception& error, const std::string& path) {
  const int code = error.getErrorCode();
  if (code == SQLITE_READONLY && is_read_only(path)) refuse_read_only(path);
  // SQLite takes some of its refusals for locks of others.
  if (code == SQLITE_BUSY || code == SQLITE_IOERR) require_able_file_system(path);
  const std::string where = fmt::format("store '{}'", path);
  switch (code) {
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
      if (is_without_log(error, path)) refuse_without_log(where);
      [[fallthrough]];
    case SQLITE_PERM:
    case SQLITE_AUTH:
      throw Error(ErrorKind::NotPermitted, fmt::format("the {} cannot be written", where),
                  "ask the administrator for access to it (canhazgpu admin --group)");
    case SQLITE_CANTOPEN:
      refuse_without_log(where);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      throw Error(ErrorKind::Failed, fmt::format("the {} is locked by another program", where),
                  "close what else has it open, such as sqlite3")
          .with(Retry::Busy);
    case SQLITE_INTERRUPT:
      throw Error(ErrorKind::Failed,
                  fmt::format("the {} holds more than can be read in {} s", where,
                              kSqlitePatience / std::chrono::seconds(1)),
                  fmt::format("somebody has put into it what is no pool; see: sqlite3 {} .schema",
                              shell_word(path)))
          .with(Retry::Later);
    case SQLITE_IOERR:
      if (error.getExtendedErrorCode() == SQLITE_IOERR_DELETE) {
        throw Error(ErrorKind::Failed,
                    fmt::format("the {} is damaged: its log or journal belongs to another state of "
                                "it",
                                where),
                    "nothing was changed; move it aside, keep it, and set the pool up again with: "
                    "canhazgpu admin");
      }
      if (has_file_size_limit()) {
        throw Error(
            ErrorKind::Failed,
            fmt::format("the {} cannot be written within the limit of a file's size", where),
            "nothing was changed; raise the limit: ulimit -f unlimited")
            .with(Retry::Later);
      }
      [[fallthrough]];
    default:
      throw Error(ErrorKind::Failed, fmt::format("the {} failed: {}", where, error.what()),
                  "see whether its disk is well: dmesg")
          .with(Retry::Later);
  }
}

}  // namespace chg
