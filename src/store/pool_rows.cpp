#include "store/pool_rows.h"

#include <algorithm>
#include <optional>
#include <tuple>

#include <SQLiteCpp/SQLiteCpp.h>

#include "store/text_codec.h"

namespace chg {
namespace {

// Reads the columns of a row one after another, in the order of the SELECT.
class Row {
 public:
  explicit Row(SQLite::Statement& statement) : statement_(statement) {}

  std::string text() { return statement_.getColumn(next_++).getString(); }
  std::int64_t number() { return statement_.getColumn(next_++).getInt64(); }
  int integer() { return statement_.getColumn(next_++).getInt(); }

  template <typename Read>
  auto optional_text(Read read) -> std::optional<decltype(read(std::string_view()))> {
    const SQLite::Column column = statement_.getColumn(next_++);
    if (column.isNull()) return std::nullopt;
    return read(column.getString());
  }

  std::optional<std::int64_t> optional_number() {
    const SQLite::Column column = statement_.getColumn(next_++);
    if (column.isNull()) return std::nullopt;
    return column.getInt64();
  }

 private:
  SQLite::Statement& statement_;
  int next_ = 0;
};

// Binds the parameters of a statement one after another. Texts are copied.
class Binder {
 public:
  explicit Binder(SQLite::Statement& statement) : statement_(statement) {}

  Binder& operator<<(const std::string& value) { return bind(value); }
  Binder& operator<<(std::int64_t value) { return bind(value); }
  Binder& operator<<(int value) { return bind(value); }
  Binder& operator<<(std::uint32_t value) { return bind(static_cast<std::int64_t>(value)); }

  template <typename Value>
  Binder& operator<<(const std::optional<Value>& value) {
    if (value) return *this << *value;
    statement_.bind(next_++);
    return *this;
  }

 private:
  template <typename Value>
  Binder& bind(const Value& value) {
    statement_.bind(next_++, value);
    return *this;
  }

  SQLite::Statement& statement_;
  int next_ = 1;
};

template <typename Value>
auto written(const std::optional<Value>& value)
    -> std::optional<decltype(text_codec::write(*value))> {
  if (!value) return std::nullopt;
  return text_codec::write(*value);
}

std::string as_text(std::string_view text) { return std::string(text); }

void read_host(SQLite::Database& database, Pool& pool) {
  SQLite::Statement select(database,
                           "SELECT provider, admin_group, creator_uid, next_arrival, name, boot_id "
                           "FROM host");
  if (!select.executeStep()) return;
  Row row(select);
  pool.provider = row.text();
  pool.admin_group = row.text();
  pool.creator_uid = static_cast<std::uint32_t>(row.number());
  pool.next_arrival = static_cast<std::uint64_t>(row.number());
  pool.host.name = row.text();
  pool.host.boot_id = row.text();
}

std::optional<Obstacle> read_obstacle(Row& row) {
  const auto kind = row.optional_text(text_codec::read_obstacle_kind);
  const auto seen = row.optional_text(text_codec::read_instant);
  const auto what = row.optional_text(as_text);
  const auto uids = row.optional_text(text_codec::read_numbers<std::uint32_t>);
  if (!kind || !seen || !what || !uids) return std::nullopt;
  return Obstacle{*kind, *seen, *what, *uids};
}

void read_gpus(SQLite::Database& database, Pool& pool) {
  SQLite::Statement select(database,
                           "SELECT gpu, uuid, model, out_of_service, last_released, obstacle, "
                           "obstacle_seen, obstacle_what, obstacle_uids, last_used_by "
                           "FROM gpu ORDER BY gpu");
  while (select.executeStep()) {
    Row row(select);
    Gpu gpu;
    gpu.index = row.integer();
    gpu.uuid = row.text();
    gpu.model = row.text();
    gpu.out_of_service = row.optional_text(as_text);
    gpu.last_released = row.optional_text(text_codec::read_instant);
    gpu.obstacle = read_obstacle(row);
    gpu.last_used_by_uid = text_codec::read_last_used(row.text());
    pool.gpus.push_back(std::move(gpu));
  }
}

void read_reservations(SQLite::Database& database, Pool& pool) {
  SQLite::Statement select(database,
                           "SELECT id, uid, account, label, note, kind, gpus, started, "
                           "last_heartbeat, ends, holder, supervisor, leftovers, ending, lost "
                           "FROM reservation");
  while (select.executeStep()) {
    Row row(select);
    Reservation held;
    held.id = row.text();
    held.account.uid = static_cast<std::uint32_t>(row.number());
    held.account.name = row.text();
    held.label = row.text();
    held.note = row.text();
    held.kind = text_codec::read_kind(row.text());
    held.gpus = text_codec::read_numbers<int>(row.text());
    held.started = text_codec::read_instant(row.text());
    held.last_heartbeat = text_codec::read_instant(row.text());
    if (const auto ends = row.optional_number()) held.ends = text_codec::read_wall_time(*ends);
    held.holder = row.optional_text(text_codec::read_process);
    held.supervisor = row.optional_text(text_codec::read_process);
    held.leftovers = text_codec::read_processes(row.text());
    held.ending = row.optional_text(text_codec::read_end);
    held.lost = text_codec::read_numbers<int>(row.text());
    pool.reservations.push_back(std::move(held));
  }
  std::sort(pool.reservations.begin(), pool.reservations.end(), [](const auto& a, const auto& b) {
    return std::tie(a.started.wall, a.id) < std::tie(b.started.wall, b.id);
  });
}

void read_queue(SQLite::Database& database, Pool& pool) {
  SQLite::Statement select(database,
                           "SELECT id, arrival, uid, account, label, note, kind, count, gpus, "
                           "forced, duration, enqueued, last_heartbeat, waiter "
                           "FROM request ORDER BY arrival");
  while (select.executeStep()) {
    Row row(select);
    Request request;
    request.id = row.text();
    request.arrival = static_cast<std::uint64_t>(row.number());
    request.account.uid = static_cast<std::uint32_t>(row.number());
    request.account.name = row.text();
    request.label = row.text();
    request.note = row.text();
    request.kind = text_codec::read_kind(row.text());
    request.count = row.integer();
    request.gpu_ids = text_codec::read_numbers<int>(row.text());
    request.force = row.integer() != 0;
    if (const auto duration = row.optional_number()) request.duration = Duration(*duration);
    request.enqueued = text_codec::read_instant(row.text());
    request.last_heartbeat = text_codec::read_instant(row.text());
    request.waiter = text_codec::read_process(row.text());
    pool.queue.push_back(std::move(request));
  }
}

void read_cancelled(SQLite::Database& database, Pool& pool) {
  SQLite::Statement select(database,
                           "SELECT id, waiter, last_heartbeat FROM cancelled ORDER BY rowid");
  while (select.executeStep()) {
    Row row(select);
    Cancelled one;
    one.id = row.text();
    one.waiter = text_codec::read_process(row.text());
    one.last_heartbeat = text_codec::read_instant(row.text());
    pool.cancelled.push_back(std::move(one));
  }
}

// All of them, of which there are few, and mostly none.
void write_cancelled(SQLite::Database& database, const std::vector<Cancelled>& cancelled) {
  database.exec("DELETE FROM cancelled");
  if (cancelled.empty()) return;
  SQLite::Statement insert(database, "INSERT INTO cancelled VALUES (?,?,?)");
  for (const Cancelled& one : cancelled) {
    Binder(insert) << one.id << text_codec::write(one.waiter)
                   << text_codec::write(one.last_heartbeat);
    insert.exec();
    insert.reset();
  }
}

void write_gpus(SQLite::Database& database, const Difference& what) {
  for (const int gpu : what.gpus_removed) {
    SQLite::Statement remove(database, "DELETE FROM gpu WHERE gpu = ?");
    Binder(remove) << gpu;
    remove.exec();
  }
  if (what.gpus_written.empty()) return;
  SQLite::Statement insert(database, "INSERT OR REPLACE INTO gpu VALUES (?,?,?,?,?,?,?,?,?,?)");
  for (const Gpu* gpu : what.gpus_written) {
    std::optional<std::string> kind;
    std::optional<std::string> seen;
    std::optional<std::string> text;
    std::optional<std::string> uids;
    if (gpu->obstacle) {
      kind = text_codec::write(gpu->obstacle->kind);
      seen = text_codec::write(gpu->obstacle->seen);
      text = gpu->obstacle->what;
      uids = text_codec::write_numbers(gpu->obstacle->uids);
    }
    Binder(insert) << gpu->index << gpu->uuid << gpu->model << gpu->out_of_service
                   << written(gpu->last_released) << kind << seen << text << uids
                   << text_codec::write(gpu->last_used_by_uid);
    insert.exec();
    insert.reset();
  }
}

void write_reservations(SQLite::Database& database, const Difference& what) {
  for (const std::string& id : what.reservations_removed) {
    SQLite::Statement remove(database, "DELETE FROM reservation WHERE id = ?");
    Binder(remove) << id;
    remove.exec();
  }
  if (what.reservations_written.empty()) return;
  SQLite::Statement insert(
      database, "INSERT OR REPLACE INTO reservation VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
  for (const Reservation* held : what.reservations_written) {
    Binder(insert) << held->id << held->account.uid << held->account.name << held->label
                   << held->note << text_codec::write(held->kind)
                   << text_codec::write_numbers(held->gpus) << text_codec::write(held->started)
                   << text_codec::write(held->last_heartbeat) << written(held->ends)
                   << written(held->holder) << written(held->supervisor)
                   << text_codec::write(held->leftovers) << written(held->ending)
                   << text_codec::write_numbers(held->lost);
    insert.exec();
    insert.reset();
  }
}

void write_queue(SQLite::Database& database, const Difference& what) {
  for (const std::string& id : what.requests_removed) {
    SQLite::Statement remove(database, "DELETE FROM request WHERE id = ?");
    Binder(remove) << id;
    remove.exec();
  }
  if (what.requests_written.empty()) return;
  SQLite::Statement insert(database,
                           "INSERT OR REPLACE INTO request VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
  for (const Request* request : what.requests_written) {
    std::optional<std::int64_t> duration;
    if (request->duration) duration = request->duration->count();
    Binder(insert) << request->id << static_cast<std::int64_t>(request->arrival)
                   << request->account.uid << request->account.name << request->label
                   << request->note << text_codec::write(request->kind) << request->count
                   << text_codec::write_numbers(request->gpu_ids) << (request->force ? 1 : 0)
                   << duration << text_codec::write(request->enqueued)
                   << text_codec::write(request->last_heartbeat)
                   << text_codec::write(request->waiter);
    insert.exec();
    insert.reset();
  }
}

void append_history(SQLite::Database& database, const std::vector<UsageRecord>& records) {
  if (records.empty()) return;
  SQLite::Statement insert(database, "INSERT INTO usage VALUES (?,?,?,?,?,?,?,?,?)");
  for (const UsageRecord& record : records) {
    Binder(insert) << record.reservation_id << record.gpu << record.account.uid
                   << record.account.name << record.label << text_codec::write(record.kind)
                   << text_codec::write(record.started) << text_codec::write(record.ended)
                   << text_codec::write(record.end);
    insert.exec();
    insert.reset();
  }
}

}  // namespace

Pool read_pool(SQLite::Database& database) {
  Pool pool;
  read_host(database, pool);
  read_gpus(database, pool);
  read_reservations(database, pool);
  read_queue(database, pool);
  read_cancelled(database, pool);
  return pool;
}

std::string read_provider(SQLite::Database& database) {
  SQLite::Statement select(database, "SELECT provider FROM host");
  return select.executeStep() ? select.getColumn(0).getString() : "";
}

void write_difference(SQLite::Database& database, const Pool& after, const Difference& what) {
  if (what.host_changed) {
    SQLite::Statement insert(database, "INSERT OR REPLACE INTO host VALUES (1,?,?,?,?,?,?)");
    Binder(insert) << after.provider << after.admin_group << after.creator_uid
                   << static_cast<std::int64_t>(after.next_arrival) << after.host.name
                   << after.host.boot_id;
    insert.exec();
  }
  write_gpus(database, what);
  write_reservations(database, what);
  write_queue(database, what);
  if (what.cancelled_changed) write_cancelled(database, after.cancelled);
  append_history(database, after.ended);
}

HistoryRows::HistoryRows(SQLite::Database& database, WallTime from)
    : select_(std::make_unique<SQLite::Statement>(
          database,
          "SELECT reservation, gpu, uid, account, label, kind, started, ended, how "
          "FROM usage WHERE ended >= ? ORDER BY ended, rowid")) {
  Binder(*select_) << text_codec::write(from);
}

HistoryRows::~HistoryRows() = default;

std::vector<UsageRecord> HistoryRows::next(std::size_t count) {
  std::vector<UsageRecord> records;
  while (records.size() < count && !select_->isDone() && select_->executeStep()) {
    Row row(*select_);
    UsageRecord record;
    record.reservation_id = row.text();
    record.gpu = row.integer();
    record.account.uid = static_cast<std::uint32_t>(row.number());
    record.account.name = row.text();
    record.label = row.text();
    record.kind = text_codec::read_kind(row.text());
    record.started = text_codec::read_wall_time(row.number());
    record.ended = text_codec::read_wall_time(row.number());
    record.end = text_codec::read_end(row.text());
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace chg
