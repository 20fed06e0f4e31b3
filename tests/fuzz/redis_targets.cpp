// What a Redis answers, and what others may have stored there.
#include <sstream>
#include <stdexcept>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "core/changes.h"
#include "fuzz/false_redis.h"
#include "fuzz/fuzz.h"
#include "store/json_text.h"
#include "store/records.h"
#include "store/redis/redis_codec.h"
#include "store/redis/redis_connection.h"
#include "store/redis/redis_store.h"
#include "store/text_codec.h"

namespace chg {
namespace {

const RedisKeys kKeys{"canhazgpu"};

std::optional<std::uint32_t> uid_of(const std::string& account) {
  return account.empty() ? std::nullopt : std::optional<std::uint32_t>(1000);
}

// A line for each key: "count 8", "provider fake", "gpu 3 VALUE", "host FIELD VALUE", "waits ID
// SCORE VALUE"; a value may be left out.
RedisImage image_from(std::string_view bytes) {
  RedisImage image;
  std::istringstream lines{std::string(bytes)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string kind, value;
    words >> kind;
    const auto rest = [&]() -> std::optional<std::string> {
      if (!std::getline(words >> std::ws, value)) return std::nullopt;
      return value;
    };
    if (kind == "count") {
      image.gpu_count = rest();
    } else if (kind == "provider") {
      image.provider = rest();
    } else if (kind == "gpu") {
      int index = 0;
      words >> index;
      image.gpus[index] = rest();
    } else if (kind == "host") {
      std::string field;
      words >> field;
      image.host[field] = rest().value_or("");
    } else if (kind == "waits") {
      RedisImage::Entry entry;
      words >> entry.id >> entry.score;
      entry.value = rest();
      image.queue.push_back(entry);
    }
  }
  return image;
}

// What is read and written again is read as the same.
template <typename Read>
void require_stable(std::string_view text, const Read& read) {
  const std::string written = records::write(read(json_text::Members(text))).dump();
  const json_text::Members members(written);
  CHG_FUZZ_REQUIRE(records::write(read(members)).dump() == written);
}

}  // namespace

CHG_FUZZ_TARGET(stored, pool) {
  const RedisImage image = image_from(bytes);
  const RedisPool before = decode_pool(image, kKeys, uid_of);
  Pool after = before.pool;
  if (!after.reservations.empty()) after.reservations.erase(after.reservations.begin());
  if (!after.queue.empty()) after.queue.pop_back();
  encode_pool(image, before, after, difference(before.pool, after), kKeys);
}

CHG_FUZZ_TARGET(stored, record) {
  using json_text::Members;
  if (bytes.empty()) return;
  const std::string_view text = bytes.substr(1);
  try {
    switch (bytes[0]) {
      case 'h':
        return require_stable(text, records::read_host);
      case 'g':
        return require_stable(text, [](const Members& one) { return records::read_gpu(one, 3); });
      case 'r':
        return require_stable(
            text, [](const Members& one) { return records::read_reservation(one, "id"); });
      case 'w':
        return require_stable(text,
                              [](const Members& one) { return records::read_request(one, "id"); });
      default:
        return require_stable(text, records::read_usage);
    }
  } catch (const std::invalid_argument&) {
    // As records.h says; its callers make an Error of it.
  }
}

CHG_FUZZ_TARGET(stored, history) {
  std::istringstream lines{std::string(bytes)};
  std::vector<std::string> members;
  for (std::string line; std::getline(lines, line);) members.push_back(line);
  decode_history(members, uid_of);
}

CHG_FUZZ_TARGET(redis, reply) {
  static fuzz::FalseRedis server;
  server.answers_with(bytes);
  open_redis_store(server.url())->read();
}

CHG_FUZZ_TARGET(redis, error) { throw redis_error(bytes, "redis://localhost"); }

CHG_FUZZ_TARGET(stored, text) {
  using namespace text_codec;
  if (bytes.empty()) return;
  const std::string_view text = bytes.substr(1);
  switch (bytes[0]) {
    case 'i':
      CHG_FUZZ_REQUIRE(read_instant(write(read_instant(text))) == read_instant(text));
      break;
    case 'p':
      CHG_FUZZ_REQUIRE(read_process(write(read_process(text))) == read_process(text));
      break;
    case 'P':
      CHG_FUZZ_REQUIRE(read_processes(write(read_processes(text))) == read_processes(text));
      break;
    case 'n':
      CHG_FUZZ_REQUIRE(read_numbers<int>(write_numbers(read_numbers<int>(text))) ==
                       read_numbers<int>(text));
      break;
    default:
      CHG_FUZZ_REQUIRE(read_last_used(write(read_last_used(text))) == read_last_used(text));
  }
}

}  // namespace chg
