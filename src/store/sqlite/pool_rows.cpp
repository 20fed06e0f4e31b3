#include "store/sqlite/pool_rows.h"

#include <stdexcept>

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>

#include "base/json.h"
#include "core/fields.h"
#include "store/records.h"

namespace chg {
namespace {

// One use of a statement; after it the statement holds no lock, and can be used again.
class StatementUse {
 public:
  explicit StatementUse(SQLite::Statement& statement) : statement_(statement) {}
  ~StatementUse() { statement_.tryReset(); }
  StatementUse(const StatementUse&) = delete;
  StatementUse& operator=(const StatementUse&) = delete;

 private:
  SQLite::Statement& statement_;
};

std::string_view text_in(const SQLite::Column& column) {
  const char* const text = column.getText();
  return {text, static_cast<std::size_t>(column.getBytes())};
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
  const StatementUse use(select);
  Pool pool;
  while (select.executeStep()) {
    records::add(pool, select.getColumn(0).getText(), text_in(select.getColumn(1)));
  }
  records::put_in_order(pool);
  return pool;
}

Pool PoolRows::read_policy() {
  // They stand side by side: "policy", then "provider".
  SQLite::Statement& select = select_from(records::kPolicy);
  const StatementUse use(select);
  Pool pool;
  while (select.executeStep()) {
    const std::string_view field = text_in(select.getColumn(0));
    if (field > records::kProvider) break;
    records::add(pool, field, text_in(select.getColumn(1)));
  }
  return pool;
}

void PoolRows::put(const std::string& field, const std::string& record) {
  SQLite::Statement& insert = prepared(put_, "INSERT OR REPLACE INTO pool VALUES (?,?)");
  const StatementUse use(insert);
  insert.bindNoCopy(1, field);
  insert.bindNoCopy(2, record);
  insert.exec();
}

void PoolRows::drop(const std::string& field) {
  SQLite::Statement& remove = prepared(drop_, "DELETE FROM pool WHERE field = ?");
  const StatementUse use(remove);
  remove.bindNoCopy(1, field);
  remove.exec();
}

void PoolRows::append(const UsageRecord& record) {
  SQLite::Statement& insert = prepared(append_, "INSERT INTO usage VALUES (?,?,?,?,?,?,?,?,?)");
  const StatementUse use(insert);
  insert.bind(1, record.reservation_id);
  insert.bind(2, record.gpu);
  insert.bind(3, record.account.uid);
  insert.bind(4, record.account.name);
  insert.bind(5, record.label);
  insert.bind(6, std::string(word_of(record.kind)));
  insert.bind(7, json_codec::count_of(record.started));
  insert.bind(8, json_codec::count_of(record.ended));
  insert.bind(9, std::string(word_of(record.end)));
  insert.exec();
}

void PoolRows::write(const Pool& after, const Difference& what) {
  for (const auto& [field, record] : records::writes(after, what)) {
    record ? put(field, *record) : drop(field);
  }
  for (const UsageRecord& record : after.ended) append(record);
}

HistoryRows::HistoryRows(SQLite::Database& database, WallTime from)
    : select_(database,
              "SELECT reservation, gpu, uid, account, label, kind, started, ended, how "
              "FROM usage WHERE ended >= ? ORDER BY ended, rowid") {
  select_.bind(1, json_codec::count_of(from));
}

std::vector<UsageRecord> HistoryRows::next(std::size_t count) {
  const auto time = [&](int column) {
    return WallTime(Duration(select_.getColumn(column).getInt64()));
  };
  std::vector<UsageRecord> records;
  while (records.size() < count && !select_.isDone() && select_.executeStep()) {
    UsageRecord record;
    record.reservation_id = select_.getColumn(0).getString();
    record.gpu = select_.getColumn(1).getInt();
    record.account.uid = static_cast<std::uint32_t>(select_.getColumn(2).getInt64());
    record.account.name = select_.getColumn(3).getString();
    record.label = select_.getColumn(4).getString();
    record.started = time(6);
    record.ended = time(7);
    try {
      record.kind = json_codec::parse_enum<ReservationKind>(select_.getColumn(5).getText());
      record.end = json_codec::parse_enum<EndReason>(select_.getColumn(8).getText());
    } catch (const std::invalid_argument&) {
      continue;  // one damaged record does not keep all others from a report
    }
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace chg
