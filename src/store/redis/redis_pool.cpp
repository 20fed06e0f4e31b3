#include "store/redis/redis_pool.h"

#include <chrono>
#include <stdexcept>

#include <fmt/format.h>

#include "base/error.h"
#include "base/json.h"
#include "base/number.h"
#include "base/text.h"
#include "store/records.h"

namespace chg {

// What lies under the name of a host in kRedisHosts.
struct Registration {
  std::string prefix;
  int gpus = 0;
  std::string registered;
  std::string version;
};

constexpr auto fields_of(const Registration*) {
  return std::tuple(field("prefix", &Registration::prefix), maybe("gpus", &Registration::gpus),
                    maybe("registered", &Registration::registered),
                    maybe("version", &Registration::version));
}

namespace {

constexpr std::string_view kVersion = "version";
constexpr const char* kEndField = "end";
constexpr const char* kEventField = "event";

std::optional<RedisVersion> parse_version(std::string_view text) {
  try {
    RedisVersion version;
    version.number = json_codec::parse_number<std::uint64_t>(cut(text, ' '));
    version.commit = text;
    if (version.commit.empty()) return std::nullopt;
    return version;
  } catch (const std::invalid_argument&) {
    return std::nullopt;
  }
}

// Sets or drops what one field of an entry says.
void apply(Pool& pool, std::string_view field, std::string_view record) {
  const char what = field.empty() ? '\0' : field.front();
  if (what != '=' && what != '-') return;
  field.remove_prefix(1);
  records::remove(pool, field);
  if (what == '=') records::add(pool, field, record);
}

// One entry: {id, {"after", commit, "commit", commit, "=FIELD", record, "-FIELD", "" …}}
bool follow_entry(RedisPool& pool, const RedisReply& entry) {
  if (entry.elements.size() != 2) return false;
  const auto& words = entry.elements[1].elements;
  if (words.size() < 4 || words.size() % 2 != 0) return false;
  if (entry.elements[0].text != fmt::format("{}-0", pool.version.number + 1)) return false;
  if (words[1].text != pool.version.commit) return false;
  for (std::size_t i = 4; i + 1 < words.size(); i += 2) {
    apply(pool.pool, words[i].text, words[i + 1].text);
  }
  pool.version = {pool.version.number + 1, words[3].text};
  return true;
}

}  // namespace

std::string RedisVersion::text() const {
  return commit.empty() ? "" : fmt::format("{} {}", number, commit);
}

RedisPool read_redis_pool(const RedisReply& hash, std::vector<std::string>* damaged) {
  RedisPool found;
  const auto& words = hash.elements;
  for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
    if (words[i].text != kVersion) {
      records::add(found.pool, words[i].text, words[i + 1].text, damaged);
      continue;
    }
    const auto version = parse_version(words[i + 1].text);
    if (!version && damaged != nullptr) {
      damaged->emplace_back(kVersion);
      continue;
    }
    if (!version) {
      throw Error(ErrorKind::Failed,
                  fmt::format("the store is damaged: its version is '{}'",
                              printable(words[i + 1].text, 60)),
                  "take it out, and end all reservations with: canhazgpu admin --force");
    }
    found.version = *version;
  }
  records::put_in_order(found.pool);
  return found;
}

bool follow_log(RedisPool& pool, const RedisReply& entries) {
  for (const RedisReply& entry : entries.elements) {
    if (!follow_entry(pool, entry)) return false;
  }
  if (!entries.elements.empty()) records::put_in_order(pool.pool);
  return true;
}

std::uint64_t event_millisecond(WallTime at) {
  const auto passed = std::chrono::floor<std::chrono::milliseconds>(at).time_since_epoch().count();
  return passed < 0 ? 0 : static_cast<std::uint64_t>(passed);
}

const char* event_field(const Event& event) {
  return event.kind == EventKind::Ended ? kEndField : kEventField;
}

EventEntry read_event_entry(const RedisReply& entry) {
  if (entry.elements.size() == 2 && entry.elements[1].elements.size() >= 2) {
    std::string_view id = entry.elements[0].text;
    const auto time = parse<std::uint64_t>(cut(id, '-'));
    const auto number = parse<std::uint64_t>(id);
    const auto& words = entry.elements[1].elements;
    if (time && number) return {{*time, *number}, words[0].text == kEndField, words[1].text};
  }
  throw Error(ErrorKind::Failed, "the store is damaged: its events are none of canhazgpu's",
              "move them aside: redis-cli rename PREFIX:events NAME");
}

std::string registration_of(const Pool& pool, const RedisKeys& keys, WallTime now) {
  return write_json(Registration{keys.prefix, static_cast<int>(pool.gpus.size()), to_rfc3339(now),
                                 CANHAZGPU_VERSION});
}

std::optional<std::string> registered_prefix(const std::string& registration) {
  try {
    return read_json<Registration>(registration).prefix;
  } catch (const std::invalid_argument&) {
    return std::nullopt;
  }
}

}  // namespace chg
