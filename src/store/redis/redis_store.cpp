#include "store/redis/redis_store.h"

#include <algorithm>
#include <array>
#include <limits>
#include <random>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "base/duration_text.h"
#include "base/error.h"
#include "base/random_id.h"
#include "base/text.h"
#include "store/difference.h"
#include "store/records.h"
#include "store/redis/redis_connection.h"
#include "store/redis/redis_pool.h"
#include "store/redis/redis_scripts.h"
#include "store/redis/redis_subscription.h"

namespace chg {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// How long the lock lives when its holder does not give it back. What is done while holding it
// takes milliseconds, and each command at most kRedisTimeout. Whoever takes longer all the same
// finds at the commit that the lock is no longer theirs.
constexpr milliseconds kLockLife{10'000};
// How long a writer waits for the others: long enough for the lock of a killed one to expire.
constexpr seconds kPatience{12};
// How long replicas may take to have a change: less than a command may take.
constexpr seconds kReplicaPatience{3};
static_assert(kReplicaPatience < kRedisTimeout);
static_assert(kRedisTimeout < kLockLife && kLockLife < kPatience);

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
    return fmt::format("another program holds it ('{}')", printable(token, 60));
  }
  return printable(token.substr(kTokenBegin.size(), token.find(" (") - kTokenBegin.size())) +
         " holds it; is it stopped?";
}

class RedisStore;

// The events, a page at a time.
class RedisEvents final : public EventReader {
 public:
  RedisEvents(RedisStore& store, const EventsAsked& asked)
      : store_(store), only_ends_(asked.only_ends), position_(asked.after) {
    const std::uint64_t from = event_millisecond(asked.from);
    if (from > 0) {
      position_ = std::max(position_, {from - 1, std::numeric_limits<std::uint64_t>::max()});
    }
  }

  std::vector<Event> next() override;
  EventPosition position() const override { return position_; }

 private:
  RedisStore& store_;
  bool only_ends_;
  EventPosition position_;
};

class RedisStore final : public Store {
 public:
  using Link = std::shared_ptr<std::unique_ptr<RedisConnection>>;

  explicit RedisStore(const RedisAddress& address,
                      Link connection = std::make_shared<Link::element_type>())
      : address_(address), keys_{address.prefix}, connection_(std::move(connection)) {}

  void update(const std::function<void(Pool&)>& change) override {
    const auto until = SteadyClock::now() + kPatience;
    while (!try_update(change, until)) {
      if (SteadyClock::now() < until) continue;
      throw Error(ErrorKind::Failed,
                  fmt::format("the lock of the Redis '{}' was lost again and again", location()),
                  fmt::format("who else changes its keys? see: {} monitor", redis_cli(address_)))
          .with(Retry::Busy);
    }
  }

  Pool read() override {
    load("");
    return known_.pool;
  }

  Pool read_past_damage(std::vector<std::string>& damaged) override {
    return read_redis_pool(ask({"HGETALL", keys_.pool()}), &damaged).pool;
  }

  void drop_records(const std::vector<std::string>& fields) override {
    for (const std::string& field : fields) ask({"HDEL", keys_.pool(), field});
  }

  Pool read_policy() override {
    Pool pool;
    const std::array<std::string, 2> fields = {records::kProvider, records::kPolicy};
    const RedisReply reply = ask({"HMGET", keys_.pool(), fields[0], fields[1]});
    for (std::size_t i = 0; i < fields.size() && i < reply.elements.size(); ++i) {
      const std::string& record = reply.elements[i].text;
      if (!record.empty()) records::add(pool, fields[i], record);
    }
    return pool;
  }

  std::unique_ptr<EventReader> read_events(const EventsAsked& asked) override {
    return std::make_unique<RedisEvents>(*this, asked);
  }

  void forget_events(WallTime before) override {
    if (before == WallTime::max()) {
      ask({"UNLINK", keys_.events()});
      return;
    }
    const RedisReply newest = ask({"XREVRANGE", keys_.events(), "+", "-", "COUNT", "1"});
    if (newest.elements.empty()) return;
    // The newest stays: ids count on from it.
    const std::uint64_t last = read_event_entry(newest.elements[0]).position.time;
    ask({"XTRIM", keys_.events(), "MINID",
         fmt::to_string(std::min(last, event_millisecond(before)))});
  }

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
    return std::make_unique<RedisSubscription>(address_, keys_.request(request_id));
  }

  std::unique_ptr<Subscription> subscribe_to_changes() override {
    return std::make_unique<RedisSubscription>(address_, keys_.changes());
  }

  std::unique_ptr<Subscription> subscribe_to_loss() override {
    return std::make_unique<RedisSubscription>(address_, keys_.loss());
  }

  std::string server() override { return server_; }

  int loss_subscribers() override {
    const RedisReply reply = ask({"PUBSUB", "NUMSUB", keys_.loss()});
    return reply.elements.size() == 2 ? static_cast<int>(reply.elements[1].integer) : 0;
  }

  void signal_loss() override { ask({"PUBLISH", keys_.loss(), ""}); }

  std::string danger() override {
    std::string_view rest;
    const RedisReply reply = ask({"INFO", "memory"});
    for (rest = reply.text; !rest.empty();) {
      std::string_view value = cut(rest, '\n');
      if (cut(value, ':') != "maxmemory_policy") continue;
      const std::string_view policy = trimmed(value);
      if (policy == "noeviction") return "";
      return fmt::format(
          "the Redis may forget the pool when its memory is full "
          "(maxmemory-policy {})",
          printable(policy, 40));
    }
    return "";
  }

  std::string location() const override { return to_url(address_, false); }

 private:
  friend RedisEvents;

  // False when the lock was lost before the commit.
  bool try_update(const std::function<void(Pool&)>& change, SteadyClock::time_point until) {
    const std::string commit = random_id();
    const std::string token = make_token(commit);
    try {
      lock_and_load(token, until);
      Pool after = known_.pool;
      change(after);
      const Difference what = difference(known_.pool, after);
      if (!what.is_empty) return write(commit, token, what, std::move(after));
    } catch (...) {
      unlock(token);
      throw;
    }
    unlock(token);
    return true;
  }

  // Brings known_ up to date, and locks unless the token is empty. False when another has the lock,
  // whose token `holder` then is.
  bool load(const std::string& token, std::string* holder = nullptr) {
    const RedisReply reply = run(redis_scripts::kLoad, {keys_.lock(), keys_.pool(), keys_.log()},
                                 {token, fmt::to_string(kLockLife.count()), known_.version.text()});
    const std::string what = reply.elements.size() >= 2 ? reply.elements[0].text : "";
    server_ = reply.elements.size() == 3 ? reply.elements[2].text : "";
    if (what == "locked" && holder != nullptr) {
      *holder = reply.elements[1].text;
      return false;
    }
    // Forgotten first: whatever is refused below, the next load asks for the whole pool.
    RedisPool known = std::exchange(known_, RedisPool());
    if (what == "all") {
      known_ = read_redis_pool(reply.elements[1]);
      return true;
    }
    if (what != "since" || known.version == RedisVersion{}) refuse_answer();
    if (!follow_log(known, reply.elements[1])) return load(token, holder);
    known_ = std::move(known);
    return true;
  }

  [[noreturn]] void refuse_answer() const {
    throw Error(ErrorKind::Failed, fmt::format("'{}' does not answer as a Redis does", location()),
                fmt::format("is it one? see: {} info server", redis_cli(address_)));
  }

  void lock_and_load(const std::string& token, SteadyClock::time_point until) {
    std::string holder;
    while (!load(token, &holder)) {
      if (SteadyClock::now() >= until) refuse_locked(holder);
      await_unlock();
    }
  }

  [[noreturn]] void refuse_locked(const std::string& holder) const {
    throw Error(
        ErrorKind::Failed,
        fmt::format("the store is locked for {}: '{}'", to_short_text(kPatience), location()),
        holder_text(holder))
        .with(Retry::Busy);
  }

  // Whoever unlocks leaves one word in a list, which Redis gives to the one that has waited
  // longest: one is woken, not all. The holder may have been killed and leave none, so nobody waits
  // for long.
  void await_unlock() {
    thread_local std::minstd_rand random{std::random_device{}()};
    const auto wait_ms = 100 + random() % 150;
    ask({"BLPOP", keys_.unlocked(), fmt::format("0.{:03}", wait_ms)});
  }

  // Commits, and takes `after` for known. False when the lock was lost, or the pool is not as it
  // was loaded any more.
  bool write(const std::string& commit, const std::string& token, const Difference& what,
             Pool after) {
    const RedisVersion version{known_.version.number + 1, commit};
    std::vector<std::string> words = {token, known_.version.text(), fmt::to_string(version.number),
                                      commit};
    // Whoever is new in the queue takes the next arrival.
    words.emplace_back(what.host_changed() ? "0" : "1");
    add_channels(words, what);
    const std::vector<records::Write> writes = records::writes(after, what);
    words.push_back(fmt::to_string(writes.size()));
    for (const auto& [field, record] : writes) {
      words.insert(words.end(), {field, record ? "1" : "0", record.value_or("")});
    }
    words.push_back(fmt::to_string(after.events.size()));
    for (const Event& event : after.events) {
      words.insert(words.end(), {fmt::to_string(event_millisecond(event.at)), event_field(event),
                                 records::write(event)});
    }
    if (what.host_changed() && !after.host.name.empty()) {
      const WallTime now = std::chrono::system_clock::now();
      words.insert(words.end(), {kRedisHosts, after.host.name, registration_of(after, keys_, now)});
    }
    if (send_commit(words).text != "done") return false;
    after.events.clear();
    records::put_in_order(after);
    known_ = {version, std::move(after)};
    // Heartbeats of runs as well: so that one which begins is told at its second try, too.
    const bool a_run_beats = what.heartbeats_only && !what.reservations_written.empty();
    if (what.run_began || what.manual_changed || a_run_beats) await_replicas();
    return true;
  }

  void add_channels(std::vector<std::string>& words, const Difference& what) const {
    std::vector<std::string> channels;
    if (!what.heartbeats_only) channels.push_back(keys_.changes());
    for (const std::string& id : what.requests_removed) channels.push_back(keys_.request(id));
    words.push_back(fmt::to_string(channels.size()));
    words.insert(words.end(), channels.begin(), channels.end());
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
                            reached.integer, address_.replicas, location()),
                "it is made, and may be lost with this server; its administrator has to bring the "
                "replicas back (redis.replicas)")
        .with(Retry::Later);
  }

  // Sent twice at most: a commit that was done is not done again.
  RedisReply send_commit(const std::vector<std::string>& words) {
    const std::vector<std::string> keys = {keys_.lock(), keys_.unlocked(), keys_.pool(),
                                           keys_.log(), keys_.events()};
    try {
      return run_once(redis_scripts::kCommit, keys, words);
    } catch (const Error&) {
      if (is_connected()) throw;  // an answer: nothing was written
    }
    try {
      return run_once(redis_scripts::kCommit, keys, words);
    } catch (const Error& error) {
      if (is_connected()) throw;
      throw Error(ErrorKind::Failed,
                  fmt::format("{}; it is not known whether the change was made", error.what()),
                  "see what stands: canhazgpu status")
          .with(Retry::Later);
    }
  }

  // By its name first, which is shorter; a server that does not know it gets the text.
  RedisReply run_once(const redis_scripts::Script& script, const std::vector<std::string>& keys,
                      const std::vector<std::string>& arguments) {
    std::vector<std::string> words = {"EVALSHA", std::string(script.sha1),
                                      fmt::to_string(keys.size())};
    words.insert(words.end(), keys.begin(), keys.end());
    words.insert(words.end(), arguments.begin(), arguments.end());
    try {
      return connection().command(words);
    } catch (const RedisUnknownScript&) {
      words[0] = "EVAL";
      words[1] = script.text;
    }
    return connection().command(words);
  }

  // As `ask`, for a script that may be repeated.
  RedisReply run(const redis_scripts::Script& script, const std::vector<std::string>& keys,
                 const std::vector<std::string>& arguments) {
    return repeat([&] { return run_once(script, keys, arguments); });
  }

  // Best effort, where the server is there: the lock expires.
  void unlock(const std::string& token) noexcept {
    if (!is_connected()) return;
    try {
      run(redis_scripts::kUnlock, {keys_.lock(), keys_.unlocked()}, {token});
    } catch (const std::exception&) {
    }
  }

  // Sends what may be repeated; once more when the server has hung up since the last command.
  template <typename Send>
  RedisReply repeat(const Send& send) {
    try {
      return send();
    } catch (const Error&) {
      if (!*connection_ || !(*connection_)->was_lost()) throw;
    }
    return send();
  }

  RedisReply ask(const std::vector<std::string>& words) {
    return repeat([&] { return connection().command(words); });
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
  Link connection_;     ///< shared with neighbours
  RedisPool known_;     ///< as last read or written
  std::string server_;  ///< the one that answered then; "" after a mere read
};

std::vector<Event> RedisEvents::next() {
  constexpr std::size_t kPage = 5000;
  std::vector<Event> events;
  for (bool at_end = false; events.empty() && !at_end;) {
    const RedisReply page = store_.ask({"XRANGE", store_.keys_.events(),
                                        fmt::format("({}-{}", position_.time, position_.number),
                                        "+", "COUNT", fmt::to_string(kPage)});
    for (const RedisReply& element : page.elements) {
      const EventEntry entry = read_event_entry(element);
      position_ = entry.position;
      if (only_ends_ && !entry.is_end) continue;
      try {
        events.push_back(records::read_event(entry.json));
      } catch (const std::invalid_argument&) {
        continue;  // one damaged event hides no other
      }
    }
    at_end = page.elements.size() < kPage;
  }
  return events;
}

}  // namespace

std::unique_ptr<Store> open_redis_store(const RedisAddress& address) {
  return std::make_unique<RedisStore>(address);
}

std::unique_ptr<Store> open_redis_store(const std::string& url) {
  return open_redis_store(parse_redis_url(url));
}

}  // namespace chg
