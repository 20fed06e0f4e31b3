#include "store/sqlite/pool_rows.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>

#include "base/json.h"
#include "store/records.h"

namespace chg {
namespace {

// An event of a later time, which only a wrong clock can have told, is counted on from the one
// before it: serials must not come to their end. In the year 2200.
constexpr std::int64_t kSerialOfTimeMax = Duration(std::chrono::hours(2'016'144)).count();

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

Pool PoolRows::read(std::vector<std::string>* damaged) {
  SQLite::Statement& select = select_from("");
  const StatementUse use(select);
  Pool pool;
  while (select.executeStep()) {
    records::add(pool, select.getColumn(0).getText(), text_in(select.getColumn(1)), damaged);
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

void PoolRows::append(const Event& event) {
  SQLite::Statement& insert =
      prepared(append_,
               "INSERT INTO events VALUES "
               "(max(?, 1 + coalesce((SELECT max(serial) FROM events), 0)), ?, ?)");
  const StatementUse use(insert);
  const std::string record = records::write(event);
  insert.bind(1, std::min(json_codec::count_of(event.at), kSerialOfTimeMax));
  insert.bind(2, event.kind == EventKind::Ended ? 1 : 0);
  insert.bindNoCopy(3, record);
  insert.exec();
}

void PoolRows::write(const Pool& after, const Difference& what) {
  for (const auto& [field, record] : records::writes(after, what)) {
    record ? put(field, *record) : drop(field);
  }
  for (const Event& event : after.events) append(event);
}

EventRows::EventRows(SQLite::Database& database, const EventsAsked& asked)
    : select_(database, fmt::format("SELECT serial, record FROM events WHERE serial > ?{} "
                                    "ORDER BY serial",
                                    asked.only_ends ? " AND is_end" : "")),
      // Serials begin at 1.
      serial_(std::max({std::int64_t{1}, json_codec::count_of(asked.from),
                        static_cast<std::int64_t>(asked.after.time) + 1}) -
              1) {}

std::vector<Event> EventRows::next(std::size_t count) {
  const StatementUse use(select_);
  select_.bind(1, serial_);
  std::vector<Event> events;
  while (events.size() < count && select_.executeStep()) {
    serial_ = select_.getColumn(0).getInt64();
    try {
      events.push_back(records::read_event(text_in(select_.getColumn(1))));
    } catch (const std::invalid_argument&) {
      continue;  // one damaged event hides no other
    }
  }
  return events;
}

}  // namespace chg
