#include "store/redis/redis_pool.h"

#include <stdexcept>

#include <fmt/format.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "core/fields.h"
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

HistoryMember history_member(const UsageRecord& record, std::uint64_t commit, std::size_t place) {
  // The nanoseconds first, since scores are only as exact as a double.
  return {history_score(record.ended),
          fmt::format("{:019}{:016x}{:08x}{}", json_codec::count_of(record.ended), commit, place,
                      records::write(record))};
}

std::string history_score(WallTime from) {
  if (from == WallTime::min()) return "-inf";
  return fmt::to_string(
      std::chrono::floor<std::chrono::microseconds>(from).time_since_epoch().count());
}

std::optional<UsageRecord> read_history_member(const std::string& text) {
  try {
    const std::size_t begin = text.find('{');
    if (begin == std::string::npos) return std::nullopt;
    return records::read_usage(std::string_view(text).substr(begin));
  } catch (const std::invalid_argument&) {
    return std::nullopt;
  }
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
