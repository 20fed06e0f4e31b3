#include "store/import/go_redis.h"

#include <set>
#include <thread>

#include <fmt/format.h>

#include "base/error.h"

namespace chg {
namespace {

// How long the Go program's own lock lives at most.
constexpr std::chrono::seconds kGoLockLife{10};
// For all that an import does under the lock: to read everything, to read the GPUs (10 s at most),
// to look for processes. The Go program respects a lock of any age.
constexpr std::chrono::seconds kImportLockLife{60};
constexpr const char* kLockToken = "locked by canhazgpu store import";
constexpr const char* kMovedText =
    "moved to another canhazgpu: this program cannot go on here, use that one";
// How many members of the history, or keys, are asked for at once.
constexpr int kAtOnce = 5000;

// In a pattern of SCAN, for itself.
std::string literal(const std::string& text) {
  std::string pattern;
  for (const char c : text) {
    if (std::string_view("*?[]\\^-").find(c) != std::string_view::npos) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

}  // namespace

GoRedis::GoRedis(const RedisAddress& address, Duration timeout)
    : address_(address), connection_(address, timeout) {
  address_.replicas = 0;  // nobody waits for them here
}

std::string GoRedis::location() const {
  RedisAddress plain;
  plain.server = address_.server;
  plain.database = address_.database;
  if (address_ != plain || address_.server.host.find(':') != std::string::npos) {
    return to_url(address_, false);
  }
  return fmt::format("redis://{}:{}/{}", plain.server.host, plain.server.port, plain.database);
}

std::optional<std::string> GoRedis::text(const std::vector<std::string>& command) {
  RedisReply reply = connection_.command(command);
  if (reply.type != RedisReply::Type::Text) return std::nullopt;
  return std::move(reply.text);
}

bool GoRedis::has_pool() {
  return read_gpu_count(text({"GET", key("gpu_count")}).value_or("")).has_value();
}

std::optional<std::string> GoRedis::imported_to() {
  return text({"HGET", key("imported"), "store"});
}

// As it was before it was marked. A number is there again when the Go program has set a pool up
// since then.
std::string GoRedis::gpu_count() {
  const auto count = text({"GET", key("gpu_count")});
  if (count && read_gpu_count(*count)) return *count;
  if (const auto before = text({"HGET", key("imported"), "gpu_count"})) return *before;
  if (count) return *count;
  throw Error(ErrorKind::Failed,
              fmt::format("there is no pool of the Go program in '{}'", location()),
              fmt::format("its key {} is missing: is it another database (/N), or another prefix "
                          "(?prefix=NAME)?",
                          key("gpu_count")));
}

GoImage GoRedis::read() {
  GoImage image;
  image.prefix = address_.prefix;
  image.gpu_count = gpu_count();
  image.provider = text({"GET", key("provider")}).value_or("");
  auto host = connection_.command({"HGETALL", key("host")}).elements;
  for (std::size_t i = 0; i + 1 < host.size(); i += 2) {
    image.host[std::move(host[i].text)] = std::move(host[i + 1].text);
  }
  read_gpus(image, read_gpu_count(image.gpu_count).value_or(0));
  read_queue(image);
  read_history(image);
  read_old_history(image);
  return image;
}

void GoRedis::read_gpus(GoImage& image, int count) {
  for (int index = 0; index < count; ++index) {
    const std::string name = key(fmt::format("gpu:{}", index));
    const bool is_there = connection_.command({"EXISTS", name}).integer > 0;
    // One of another type is damaged: "" is no value.
    if (is_there) image.gpus[index] = connection_.command({"MGET", name}).elements.at(0).text;
  }
}

void GoRedis::read_queue(GoImage& image) {
  for (RedisReply& id : connection_.command({"ZRANGE", key("queue"), "0", "-1"}).elements) {
    auto entry = text({"GET", key("queue:entry:" + id.text)});
    if (entry) image.queue.emplace_back(std::move(id.text), std::move(*entry));
  }
}

void GoRedis::read_history(GoImage& image) {
  for (int begin = 0;; begin += kAtOnce) {
    auto page = connection_
                    .command({"ZRANGE", key("usage_history_sorted"), fmt::to_string(begin),
                              fmt::to_string(begin + kAtOnce - 1)})
                    .elements;
    for (RedisReply& member : page) image.history.push_back(std::move(member.text));
    if (page.size() < kAtOnce) return;
  }
}

// Before it had the sorted set it kept each record under a key of its own.
void GoRedis::read_old_history(GoImage& image) {
  const std::string pattern = literal(key("usage_history:")) + "*";
  std::set<std::string> seen;  // SCAN may tell a key twice
  std::string cursor = "0";
  do {
    auto page =
        connection_.command({"SCAN", cursor, "MATCH", pattern, "COUNT", fmt::to_string(kAtOnce)});
    std::vector<std::string> command = {"MGET"};
    for (const RedisReply& found : page.elements.at(1).elements) {
      if (seen.insert(found.text).second) command.push_back(found.text);
    }
    if (command.size() > 1) {
      for (RedisReply& record : connection_.command(command).elements) {
        if (!record.is_nil()) image.history.push_back(std::move(record.text));
      }
    }
    cursor = page.elements.at(0).text;
  } while (cursor != "0");
}

void GoRedis::lock() {
  const auto until = SteadyClock::now() + kGoLockLife;
  const std::vector<std::string> command = {"SET",      key("allocation_lock"),
                                            kLockToken, "NX",
                                            "EX",       fmt::to_string(kImportLockLife.count())};
  while (connection_.command(command).is_nil()) {
    if (SteadyClock::now() > until) {
      throw Error(ErrorKind::Failed,
                  fmt::format("the pool in '{}' is locked all the time", location()),
                  "let nobody reserve there for a moment, and import again");
    }
    // Whoever has it tells nobody when he gives it back.
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

void GoRedis::unlock() {
  if (text({"GET", key("allocation_lock")}) == kLockToken) {
    connection_.command({"DEL", key("allocation_lock")});
  }
}

void GoRedis::note(const std::string& store) {
  connection_.command({"HSET", key("imported"), "gpu_count", gpu_count(), "store", store});
}

void GoRedis::mark() { connection_.command({"SET", key("gpu_count"), kMovedText}); }

}  // namespace chg
