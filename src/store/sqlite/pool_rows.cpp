#include "store/sqlite/pool_rows.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "store/records.h"
#include "store/text_codec.h"

namespace chg {
namespace {

using json_text::Members;

// Fields of this store beside those of records.h.
constexpr const char* kProvider = "provider";
constexpr std::string_view kRequest = "request:";

std::string request_field(const std::string& id) { return fmt::format("{}{}", kRequest, id); }

// One use of a statement; after it the statement holds no lock, and can be used again.
class Use {
 public:
  explicit Use(SQLite::Statement& statement) : statement_(statement) {}
  ~Use() { statement_.tryReset(); }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

 private:
  SQLite::Statement& statement_;
};

int index_in(std::string_view field) {
  const std::string_view digits = field.substr(records::kGpu.size());
  int index = 0;
  const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  if (status != std::errc() || end != digits.data() + digits.size() || index < 0) {
    throw std::invalid_argument("no index of a GPU");
  }
  return index;
}

// Takes one record into the pool, whose lists are put in order when all are there.
void take(Pool& pool, const std::string& field, const std::string& record) {
  const auto id_behind = [&](std::string_view kind) { return field.substr(kind.size()); };
  if (field == kProvider) {
    pool.provider = record;
  } else if (field == records::kIdentity) {
    pool.host = text_codec::read_host(record);
  } else if (field == records::kCancelled) {
    pool.cancelled = records::read_cancelled(Members(record));
  } else if (field == records::kSettings) {
    records::Host host = records::read_host(Members(record));
    pool.admin_group = std::move(host.admin_group);
    pool.creator_uid = host.creator_uid;
    pool.next_arrival = host.next_arrival;
  } else if (field.starts_with(records::kGpu)) {
    pool.gpus.push_back(records::read_gpu(Members(record), index_in(field)));
  } else if (field.starts_with(records::kReservation)) {
    pool.reservations.push_back(
        records::read_reservation(Members(record), id_behind(records::kReservation)));
  } else if (field.starts_with(kRequest)) {
    pool.queue.push_back(records::read_request(Members(record), id_behind(kRequest)));
  }
}

void put_in_order(Pool& pool) {
  std::sort(pool.gpus.begin(), pool.gpus.end(),
            [](const Gpu& a, const Gpu& b) { return a.index < b.index; });
  std::sort(pool.reservations.begin(), pool.reservations.end(), starts_before);
  std::sort(pool.queue.begin(), pool.queue.end(),
            [](const Request& a, const Request& b) { return a.arrival < b.arrival; });
}

}  // namespace

SQLite::Statement& PoolRows::prepared(std::optional<SQLite::Statement>& statement,
                                      const char* text) {
  if (!statement) statement.emplace(database_, text);
  return *statement;
}

SQLite::Statement& PoolRows::select_from(const char* first) {
  SQLite::Statement& select =
      prepared(select_, "SELECT field, record FROM pool WHERE field >= ? ORDER BY field");
  select.bindNoCopy(1, first);
  return select;
}

Pool PoolRows::read() {
  SQLite::Statement& select = select_from("");
  const Use use(select);
  Pool pool;
  while (select.executeStep()) {
    const std::string field = select.getColumn(0).getString();
    try {
      take(pool, field, select.getColumn(1).getString());
    } catch (const std::invalid_argument&) {
      throw Error(ErrorKind::Failed,
                  fmt::format("the store is damaged: nothing that canhazgpu writes is in '{}'",
                              printable(field, 60)),
                  "move it aside and set the pool up again with: canhazgpu admin");
    }
  }
  put_in_order(pool);
  return pool;
}

std::string PoolRows::read_provider() {
  SQLite::Statement& select = select_from(kProvider);
  const Use use(select);
  if (!select.executeStep() || select.getColumn(0).getString() != kProvider) return "";
  return select.getColumn(1).getString();
}

void PoolRows::put(const std::string& field, const std::string& record) {
  SQLite::Statement& insert = prepared(put_, "INSERT OR REPLACE INTO pool VALUES (?,?)");
  const Use use(insert);
  insert.bindNoCopy(1, field);
  insert.bindNoCopy(2, record);
  insert.exec();
}

void PoolRows::drop(const std::string& field) {
  SQLite::Statement& remove = prepared(drop_, "DELETE FROM pool WHERE field = ?");
  const Use use(remove);
  remove.bindNoCopy(1, field);
  remove.exec();
}

void PoolRows::append(const UsageRecord& record) {
  SQLite::Statement& insert = prepared(append_, "INSERT INTO usage VALUES (?,?,?,?,?,?,?,?,?)");
  const Use use(insert);
  insert.bind(1, record.reservation_id);
  insert.bind(2, record.gpu);
  insert.bind(3, record.account.uid);
  insert.bind(4, record.account.name);
  insert.bind(5, record.label);
  insert.bind(6, text_codec::write(record.kind));
  insert.bind(7, text_codec::write(record.started));
  insert.bind(8, text_codec::write(record.ended));
  insert.bind(9, text_codec::write(record.end));
  insert.exec();
}

void PoolRows::write(const Pool& after, const Difference& what) {
  const auto put_record = [&](const std::string& field, const auto& value) {
    put(field, json_text::to_text(records::write(value)));
  };
  if (what.settings_changed) put_record(records::kSettings, records::host_of(after));
  if (what.provider_changed) put(kProvider, after.provider);
  if (what.identity_changed) put(records::kIdentity, text_codec::write(after.host));
  if (what.cancelled_changed && after.cancelled.empty()) {
    drop(records::kCancelled);
  } else if (what.cancelled_changed) {
    put_record(records::kCancelled, after.cancelled);
  }
  for (const int gpu : what.gpus_removed) drop(records::gpu_field(gpu));
  for (const Gpu* gpu : what.gpus_written) put_record(records::gpu_field(gpu->index), *gpu);
  for (const std::string& id : what.reservations_removed) drop(records::reservation_field(id));
  for (const Reservation* reservation : what.reservations_written) {
    put_record(records::reservation_field(reservation->id), *reservation);
  }
  for (const std::string& id : what.requests_removed) drop(request_field(id));
  for (const Request* request : what.requests_written) {
    put_record(request_field(request->id), *request);
  }
  for (const UsageRecord& record : after.ended) append(record);
}

HistoryRows::HistoryRows(SQLite::Database& database, WallTime from)
    : select_(database,
              "SELECT reservation, gpu, uid, account, label, kind, started, ended, how "
              "FROM usage WHERE ended >= ? ORDER BY ended, rowid") {
  select_.bind(1, text_codec::write(from));
}

std::vector<UsageRecord> HistoryRows::next(std::size_t count) {
  std::vector<UsageRecord> records;
  while (records.size() < count && !select_.isDone() && select_.executeStep()) {
    UsageRecord record;
    record.reservation_id = select_.getColumn(0).getString();
    record.gpu = select_.getColumn(1).getInt();
    record.account.uid = static_cast<std::uint32_t>(select_.getColumn(2).getInt64());
    record.account.name = select_.getColumn(3).getString();
    record.label = select_.getColumn(4).getString();
    record.kind = text_codec::read_kind(select_.getColumn(5).getString());
    record.started = text_codec::read_wall_time(select_.getColumn(6).getInt64());
    record.ended = text_codec::read_wall_time(select_.getColumn(7).getInt64());
    record.end = text_codec::read_end(select_.getColumn(8).getString());
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace chg
