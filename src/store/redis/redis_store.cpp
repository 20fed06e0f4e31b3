#include "store/redis/redis_store.h"

#include <array>
#include <random>

#include <fmt/format.h>
#include <pwd.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/duration_text.h"
#include "base/error.h"
#include "base/text.h"
#include "store/difference.h"
#include "store/redis/redis_codec.h"
#include "store/redis/redis_connection.h"
#include "store/redis/redis_json.h"
#include "store/redis/redis_scripts.h"
#include "store/redis/redis_subscription.h"

namespace chg {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// How long the lock lives when its holder does not give it back: as long as the Go program's. What
// is done while holding it takes milliseconds, and each command at most kRedisTimeout; who takes
// longer all the same finds at the commit that the lock is no longer his.
constexpr milliseconds kLockLife{10'000};
// How long a writer waits for the others: long enough for the lock of a killed one to expire.
constexpr seconds kPatience{12};
// How long replicas may take to have a change: less than a command may take.
constexpr seconds kReplicaPatience{3};
static_assert(kReplicaPatience < kRedisTimeout);
static_assert(kRedisTimeout < kLockLife && kLockLife < kPatience);

std::optional<std::uint32_t> uid_of_account(const std::string& name) {
  std::array<char, 65536> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) return std::nullopt;
  return found->pw_uid;
}

std::string random_hex() {
  std::array<unsigned char, 12> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    throw_errno("cannot get random bytes");
  }
  return fmt::format("{:02x}", fmt::join(bytes, ""));
}

constexpr std::string_view kTokenBegin = "canhazgpu ";

// What our lock holds: unique, and tells people whose it is.
std::string make_token(const std::string& unique) {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  return fmt::format("{}process {} on {} ({})", kTokenBegin, getpid(), printable(host.data(), 60),
                     unique);
}

std::string holder_text(const std::string& token) {
  if (!token.starts_with(kTokenBegin)) {
    return fmt::format("another program holds it, such as the Go canhazgpu ('{}')",
                       printable(token, 60));
  }
  return printable(token.substr(kTokenBegin.size(), token.find(" (") - kTokenBegin.size())) +
         " holds it; is it stopped?";
}

std::optional<std::string> optional_text(RedisReply& reply) {
  if (reply.is_nil()) return std::nullopt;
  return std::move(reply.text);
}

// Whether it is as kLoad answers who asks with this token: what talks like a Redis may be something
// else.
bool is_answer_of_load(const RedisReply& reply, const std::string& token) {
  const auto& parts = reply.elements;
  if (parts.size() == 2) return parts[0].text == "locked" && !token.empty();
  return parts.size() == 9 && parts[0].text == "loaded" &&
         parts[4].elements.size() == parts[5].elements.size() &&
         parts[6].elements.size() == parts[7].elements.size() * 2;
}

RedisImage image_of(RedisReply loaded) {
  auto& parts = loaded.elements;
  RedisImage image;
  image.gpu_count = optional_text(parts.at(1));
  image.provider = optional_text(parts.at(2));
  auto& host = parts.at(3).elements;
  for (std::size_t i = 0; i + 1 < host.size(); i += 2) {
    image.host[std::move(host[i].text)] = std::move(host[i + 1].text);
  }
  auto& gpus = parts.at(4).elements;
  auto& values = parts.at(5).elements;
  for (std::size_t i = 0; i < gpus.size(); ++i) {
    const auto index = std::strtol(gpus[i].text.c_str(), nullptr, 10);
    if (index <= INT_MAX) image.gpus[static_cast<int>(index)] = optional_text(values.at(i));
  }
  auto& queue = parts.at(6).elements;
  auto& entries = parts.at(7).elements;
  image.queue.reserve(entries.size());
  for (std::size_t i = 0; i + 1 < queue.size(); i += 2) {
    image.queue.push_back({std::move(queue[i].text),
                           std::strtod(queue[i + 1].text.c_str(), nullptr),
                           optional_text(entries.at(i / 2))});
  }
  image.changes = std::strtoll(parts.at(8).text.c_str(), nullptr, 10);
  return image;
}

class RedisStore;

// Pages of the history. Redis goes by whole seconds, so the last second of a page is kept until
// the next one shows that it is complete.
class RedisHistory final : public HistoryReader {
 public:
  RedisHistory(RedisStore& store, WallTime from) : store_(store), from_(from) {}

  std::vector<UsageRecord> next() override;

 private:
  void read_page();

  RedisStore& store_;
  WallTime from_;
  std::string score_;                 ///< of the last member that was read; "": none yet
  std::vector<std::string> members_;  ///< read, and not given yet
  std::size_t of_score_ = 0;          ///< how many of them, at the end, have that score
  bool at_end_ = false;
};

class RedisStore final : public Store {
 public:
  using Link = std::shared_ptr<std::unique_ptr<RedisConnection>>;

  explicit RedisStore(const RedisAddress& address,
                      Link connection = std::make_shared<Link::element_type>())
      : address_(address),
        keys_{address.prefix},
        go_watch_(std::make_shared<GoWatch>()),
        connection_(std::move(connection)) {}

  void update(const std::function<void(Pool&)>& change) override {
    const auto until = SteadyClock::now() + kPatience;
    while (!try_update(change, until)) {
      if (SteadyClock::now() < until) continue;
      throw Error(ErrorKind::Failed,
                  fmt::format("the lock of the Redis '{}' was lost again and again", location()),
                  "who else changes its keys? see: redis-cli monitor")
          .with(Retry::Busy);
    }
  }

  Pool read() override { return decode(image_of(load(""))).pool; }

  std::string provider() override {
    auto found = ask({"MGET", keys_.named("gpu_count"), keys_.named("provider")}).elements;
    RedisImage image;
    image.gpu_count = optional_text(found.at(0));
    image.provider = optional_text(found.at(1));
    return decode(image).pool.provider;
  }

  std::unique_ptr<HistoryReader> read_history(WallTime from) override {
    return std::make_unique<RedisHistory>(*this, from);
  }

  void forget_history() override { ask({"UNLINK", keys_.history()}); }

  std::vector<Neighbour> neighbours() override {
    const RedisReply reply = ask({"HGETALL", kRedisHosts});
    std::map<std::string, std::string> prefixes;
    for (std::size_t i = 0; i + 1 < reply.elements.size(); i += 2) {
      const auto prefix = registered_prefix(reply.elements[i + 1].text);
      if (prefix && *prefix != keys_.prefix) prefixes[reply.elements[i].text] = *prefix;
    }
    std::vector<Neighbour> found;
    for (const auto& [host, prefix] : prefixes) {
      RedisAddress address = address_;
      address.prefix = prefix;
      found.push_back({host, std::make_unique<RedisStore>(address, connection_)});
    }
    return found;
  }

  std::unique_ptr<Subscription> subscribe_to(const std::string& request_id) override {
    return std::make_unique<RedisSubscription>(address_, keys_.request(request_id), nullptr);
  }

  std::unique_ptr<Subscription> subscribe_to_changes() override {
    return std::make_unique<RedisSubscription>(address_, keys_.changes(), go_watch_);
  }

  // Nobody publishes there: what comes is the end of the connection.
  std::unique_ptr<Subscription> subscribe_to_loss() override {
    return std::make_unique<RedisSubscription>(address_, keys_.named("loss"), nullptr);
  }

  std::string location() const override { return to_url(address_, false); }

 private:
  friend RedisHistory;

  // False when the lock was lost, or somebody changed what the change is based on without one.
  bool try_update(const std::function<void(Pool&)>& change, SteadyClock::time_point until) {
    const std::string unique = random_hex();
    const std::string token = make_token(unique);
    const RedisImage image = image_of(lock_and_load(token, until));
    try {
      const RedisPool before = decode(image);
      Pool after = before.pool;
      change(after);
      const Difference what = difference(before.pool, after);
      if (!what.is_empty) {
        return commit(unique, token, encode_pool(image, before, after, what, keys_), what, after);
      }
    } catch (...) {
      unlock(token);
      throw;
    }
    unlock(token);
    return true;
  }

  RedisPool decode(const RedisImage& image) {
    RedisPool decoded = decode_pool(image, keys_, uid_of_);
    const bool shared = !decoded.go_reservations.empty() || !decoded.go_requests.empty();
    if (shared) go_watch_->arm();
    return decoded;
  }

  RedisReply load(const std::string& token) {
    RedisReply reply = ask({"EVAL", redis_scripts::kLoad, "1", keys_.lock(), keys_.prefix, token,
                            fmt::to_string(kLockLife.count())});
    if (is_answer_of_load(reply, token)) return reply;
    throw Error(ErrorKind::Failed,
                fmt::format("'{}' does not answer as a Redis does", printable(location())),
                "is it one? see: redis-cli info server");
  }

  RedisReply lock_and_load(const std::string& token, SteadyClock::time_point until) {
    while (true) {
      RedisReply reply = load(token);
      if (reply.elements.at(0).text == "loaded") return reply;
      if (SteadyClock::now() >= until) refuse_locked(reply.elements.at(1).text);
      await_unlock();
    }
  }

  [[noreturn]] void refuse_locked(const std::string& holder) const {
    throw Error(ErrorKind::Failed,
                fmt::format("the store is locked for {}: '{}'", to_short_text(kPatience),
                            printable(location())),
                holder_text(holder))
        .with(Retry::Busy);
  }

  // Who unlocks leaves one word in a list, which Redis gives to whoever has waited longest: one is
  // woken, not all. The Go program leaves none, so nobody waits for long.
  void await_unlock() {
    thread_local std::minstd_rand random{std::random_device{}()};
    const auto wait_ms = 100 + random() % 150;
    ask({"BLPOP", keys_.named("unlocked"), fmt::format("0.{:03}", wait_ms)});
  }

  bool commit(const std::string& unique, const std::string& token, const RedisWrites& writes,
              const Difference& what, const Pool& after) {
    std::vector<std::string> words = {"EVAL",
                                      redis_scripts::kCommit,
                                      fmt::to_string(4 + writes.keys.size()),
                                      keys_.lock(),
                                      keys_.changes(),
                                      keys_.named("commit:" + unique),
                                      keys_.named("unlocked")};
    words.insert(words.end(), writes.keys.begin(), writes.keys.end());
    words.push_back(token);
    words.emplace_back(what.heartbeats_only ? "0" : "1");
    // Whoever is new in the queue takes the next arrival.
    words.emplace_back(what.host_changed() ? "0" : "1");
    words.push_back(fmt::to_string(writes.expected.size()));
    for (const auto& [key, value] : writes.expected) {
      words.push_back(key);
      words.emplace_back(value ? "1" : "0");
      words.push_back(value.value_or(""));
    }
    std::vector<std::string> channels;
    if (!what.heartbeats_only) channels.push_back(keys_.changes());
    for (const std::string& id : what.requests_removed) channels.push_back(keys_.request(id));
    words.push_back(fmt::to_string(channels.size()));
    words.insert(words.end(), channels.begin(), channels.end());
    words.push_back(fmt::to_string(writes.commands.size()));
    for (const auto& command : writes.commands) {
      words.push_back(fmt::to_string(command.size()));
      words.insert(words.end(), command.begin(), command.end());
    }
    if (what.host_changed() && !after.host.name.empty()) {
      const WallTime now = std::chrono::system_clock::now();
      words.insert(words.end(), {kRedisHosts, after.host.name, registration_of(after, keys_, now)});
    }
    if (send_commit(words).text != "done") return false;
    // Heartbeats of runs as well: so that one which begins is told at its second try, too.
    const bool a_run_beats = what.heartbeats_only && !what.reservations_written.empty();
    if (what.run_began || what.manual_changed || a_run_beats) await_replicas();
    return true;
  }

  // Whoever begins to rely on a reservation must not lose it with this server. Replicas get changes
  // in their order, so one that has this one has all before it.
  void await_replicas() {
    if (address_.replicas == 0) return;
    const auto wait_ms = std::chrono::milliseconds(kReplicaPatience).count();
    const RedisReply reached =
        connection().command({"WAIT", fmt::to_string(address_.replicas), fmt::to_string(wait_ms)});
    if (reached.integer >= address_.replicas) return;
    throw Error(ErrorKind::Failed,
                fmt::format("only {} of {} replicas of the Redis '{}' have the change",
                            reached.integer, address_.replicas, printable(location())),
                "it is made, and may be lost with this server; its administrator has to bring the "
                "replicas back (redis.replicas)")
        .with(Retry::Later);
  }

  // Sent twice at most: a commit that was done is not done again.
  RedisReply send_commit(const std::vector<std::string>& words) {
    try {
      return connection().command(words);
    } catch (const Error&) {
      if (is_connected()) throw;  // an answer: nothing was written
    }
    try {
      return connection().command(words);
    } catch (const Error& error) {
      if (is_connected()) throw;
      throw Error(ErrorKind::Failed,
                  fmt::format("{}; it is not known whether the change was made", error.what()),
                  "see what stands: canhazgpu status")
          .with(Retry::Later);
    }
  }

  // Best effort, where the server is there: the lock expires.
  void unlock(const std::string& token) noexcept {
    if (!is_connected()) return;
    try {
      ask({"EVAL", redis_scripts::kUnlock, "2", keys_.lock(), keys_.named("unlocked"), token});
    } catch (const std::exception&) {
    }
  }

  // A command that may be repeated: once, when the server has hung up since the last one.
  RedisReply ask(const std::vector<std::string>& words) {
    try {
      return connection().command(words);
    } catch (const Error&) {
      if (!*connection_ || !(*connection_)->was_lost()) throw;
    }
    return connection().command(words);
  }

  RedisConnection& connection() {
    if (!is_connected()) {
      connection_->reset();
      *connection_ = std::make_unique<RedisConnection>(address_);
    }
    return **connection_;
  }

  bool is_connected() const { return *connection_ && (*connection_)->is_open(); }

  RedisAddress address_;
  RedisKeys keys_;
  std::shared_ptr<const GoWatch> go_watch_;
  Link connection_;  ///< shared with neighbours
  std::map<std::string, std::optional<std::uint32_t>> uids_;
  // Asked while the pool is locked, and a directory service may be slow: once for each account.
  redis_go::UidOf uid_of_ = [this](const std::string& account) {
    const auto [known, is_new] = uids_.try_emplace(account);
    if (is_new) known->second = uid_of_account(account);
    return known->second;
  };
};

void RedisHistory::read_page() {
  constexpr int kMembers = 5000;
  const std::string begin = !score_.empty() ? score_
                            : from_ == WallTime::min()
                                ? "-inf"
                                : fmt::to_string(redis_json::unix_seconds(from_));
  const RedisReply page =
      store_.ask({"ZRANGEBYSCORE", store_.keys_.history(), begin, "+inf", "WITHSCORES", "LIMIT",
                  fmt::to_string(of_score_), fmt::to_string(kMembers)});
  for (std::size_t i = 0; i + 1 < page.elements.size(); i += 2) {
    const std::string& score = page.elements[i + 1].text;
    of_score_ = score == score_ ? of_score_ + 1 : 1;
    score_ = score;
    members_.push_back(page.elements[i].text);
  }
  at_end_ = page.elements.size() < 2 * kMembers;
}

std::vector<UsageRecord> RedisHistory::next() {
  while (!at_end_) {
    read_page();
    if (!at_end_ && of_score_ >= members_.size()) continue;
    std::vector<std::string> complete;
    complete.swap(members_);
    if (!at_end_) {
      const auto kept = complete.end() - static_cast<std::ptrdiff_t>(of_score_);
      members_.assign(std::make_move_iterator(kept), std::make_move_iterator(complete.end()));
      complete.erase(kept, complete.end());
    }
    std::vector<UsageRecord> records = decode_history(complete, store_.uid_of_);
    std::erase_if(records, [&](const UsageRecord& record) { return record.ended < from_; });
    if (!records.empty()) return records;
  }
  return {};
}

}  // namespace

std::unique_ptr<Store> open_redis_store(const RedisAddress& address) {
  return std::make_unique<RedisStore>(address);
}

std::unique_ptr<Store> open_redis_store(const std::string& url) {
  return open_redis_store(parse_redis_url(url));
}

}  // namespace chg
