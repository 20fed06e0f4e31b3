// What a Redis answers, and what others may have stored there.
#include <sstream>
#include <stdexcept>

#include "base/error.h"
#include "base/json.h"
#include "core/fields.h"
#include "fuzz/false_redis.h"
#include "fuzz/fuzz.h"
#include "store/records.h"
#include "store/redis/redis_connection.h"
#include "store/redis/redis_pool.h"
#include "store/redis/redis_store.h"
#include "support/redis_reply.h"

namespace chg {
namespace {

// What is read and written again is read as the same.
template <typename Type>
void require_stable(std::string_view text) {
  const std::string written = write_json(read_json<Type>(text));
  CHG_FUZZ_REQUIRE(write_json(read_json<Type>(written)) == written);
}

}  // namespace

// A line for each field: "FIELD RECORD". Lines behind "log" are the words of one entry of the log.
CHG_FUZZ_TARGET(stored, pool) {
  RedisReply hash;
  RedisReply words;
  std::istringstream lines{std::string(bytes)};
  bool is_log = false;
  for (std::string line; std::getline(lines, line);) {
    if (line == "log") {
      is_log = true;
    } else if (is_log) {
      words.elements.push_back(text_reply(line));
    } else {
      const std::size_t space = line.find(' ');
      hash.elements.push_back(text_reply(line.substr(0, space)));
      hash.elements.push_back(text_reply(space == std::string::npos ? "" : line.substr(space + 1)));
    }
  }
  RedisPool known = read_redis_pool(hash);
  RedisReply entry;
  entry.elements = {text_reply(std::to_string(known.version.number + 1) + "-0"), words};
  RedisReply entries;
  entries.elements = {entry};
  if (!follow_log(known, entries)) return;
  // What was followed is written and read as the same.
  Pool again;
  for (const auto& [field, record] : records::writes(known.pool)) {
    if (record) records::add(again, field, *record);
  }
  records::put_in_order(again);
  CHG_FUZZ_REQUIRE(again.gpus.size() <= known.pool.gpus.size());
}

CHG_FUZZ_TARGET(stored, record) {
  if (bytes.empty()) return;
  const std::string_view text = bytes.substr(1);
  try {
    switch (bytes[0]) {
      case 'g':
        return require_stable<Gpu>(text);
      case 'r':
        return require_stable<Reservation>(text);
      case 'w':
        return require_stable<Request>(text);
      case 'e':
        return require_stable<Event>(text);
      default:
        return require_stable<UsageRecord>(text);
    }
  } catch (const std::invalid_argument&) {
    // As base/json.h says; its callers make an Error of it.
  }
}

CHG_FUZZ_TARGET(redis, reply) {
  static fuzz::FalseRedis server;
  server.answers_with(bytes);
  open_redis_store(server.url())->read();
}

CHG_FUZZ_TARGET(redis, error) { throw redis_error(bytes, "redis://localhost"); }

}  // namespace chg
