// What is in Redis in each state, field by field, and what is made of what the Go program writes.
#include "store/redis/redis_codec.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/changes.h"
#include "core/reap.h"
#include "core/schedule.h"
#include "store/redis/redis_json.h"
#include "support/expect_error.h"

namespace chg {
namespace {

using nlohmann::json;
using std::chrono::minutes;
using std::chrono::seconds;

const RedisKeys kKeys{"canhazgpu"};

std::optional<std::uint32_t> uid_of(const std::string& account) {
  if (account == "alice") return 1000;
  if (account == "bob") return 1001;
  return std::nullopt;
}

// 2026-11-24T13:25:08.259536358Z
const WallTime kNow{std::chrono::nanoseconds(1795526708'259536358)};
const std::string kBoot = "boot-1";

Instant at(Duration offset = {}) { return {kNow + offset, minutes(100) + offset, kBoot}; }

Liveness unseen(const ProcessIdentity&) { return Liveness::Unseen; }

/// The keys of a Redis, as far as the codec goes.
class Keys {
 public:
  RedisPool decode() const { return decode_pool(image_, kKeys, uid_of); }
  Pool pool() const { return decode().pool; }
  RedisImage& image() { return image_; }

  void update(const std::function<void(Pool&)>& change) {
    const RedisPool before = decode();
    Pool after = before.pool;
    change(after);
    const Difference what = difference(before.pool, after);
    for (const auto& command : encode_pool(image_, before, after, what, kKeys).commands) {
      apply(command);
    }
    after.ended.clear();
    EXPECT_TRUE(without_places(pool()) == without_places(after));
  }

  // Its waiters have no number of arrival; they come after whoever is before them.
  static Pool without_places(Pool pool) {
    for (Request& waiting : pool.queue) {
      if (waiting.takes_itself) waiting.arrival = 0;
    }
    return pool;
  }

  json gpu(int index) const {
    const auto& value = image_.gpus.at(index);
    return value ? json::parse(*value) : json();
  }
  json entry(std::size_t place) const { return json::parse(image_.queue.at(place).value.value()); }
  const std::vector<std::pair<std::string, std::string>>& history() const { return history_; }
  std::vector<std::string> others;

  void put_gpu(int index, const json& value) { image_.gpus[index] = value.dump(); }
  void put_entry(double score, const json& value) {
    image_.queue.push_back({value.at("id"), score, value.dump()});
  }

 private:
  void apply(const std::vector<std::string>& words) {
    const std::string& key = words[1];
    const std::string gpu = kKeys.named("gpu:");
    const std::string entry = kKeys.entry("");
    if (words[0] == "HSET") {
      EXPECT_EQ(key, "canhazgpu:host");
      image_.host[words[2]] = words[3];
    } else if (words[0] == "HDEL") {
      image_.host.erase(words[2]);
    } else if (words[0] == "ZADD" && key == kKeys.queue()) {
      const double score = std::stod(words[2]);
      auto place = find_entry(words[3]);
      place->score = score;
      std::stable_sort(image_.queue.begin(), image_.queue.end(),
                       [](const auto& a, const auto& b) { return a.score < b.score; });
    } else if (words[0] == "ZADD") {
      EXPECT_EQ(key, "canhazgpu:usage_history_sorted");
      for (std::size_t i = 2; i < words.size(); i += 2) {
        history_.emplace_back(words[i], words[i + 1]);
      }
    } else if (words[0] == "ZREM") {
      std::erase_if(image_.queue, [&](const auto& one) { return one.id == words[2]; });
    } else if (words[0] == "EXPIRE") {
      EXPECT_EQ(words[2], "7776000");
    } else {
      set(key, words[0] == "SET" ? std::optional(words[2]) : std::nullopt, gpu, entry);
    }
  }

  void set(const std::string& key, const std::optional<std::string>& value, const std::string& gpu,
           const std::string& entry) {
    if (key.starts_with(gpu)) {
      image_.gpus[std::stoi(key.substr(gpu.size()))] = value;
    } else if (key.starts_with(entry)) {
      if (value) find_entry(key.substr(entry.size()))->value = value;
    } else if (key == "canhazgpu:gpu_count") {
      image_.gpu_count = value;
      for (int i = 0; value && i < std::stoi(*value); ++i) image_.gpus.try_emplace(i);
    } else if (key == "canhazgpu:provider") {
      image_.provider = value;
    } else {
      ADD_FAILURE() << key;
    }
  }

  std::vector<RedisImage::Entry>::iterator find_entry(const std::string& id) {
    auto found = std::find_if(image_.queue.begin(), image_.queue.end(),
                              [&](const auto& one) { return one.id == id; });
    if (found != image_.queue.end()) return found;
    return image_.queue.insert(found, {id, 0, {}});
  }

  RedisImage image_;
  std::vector<std::pair<std::string, std::string>> history_;
};

/// What `admin` leaves.
Keys our_pool(int gpus = 4) {
  Keys keys;
  keys.update([&](Pool& pool) {
    pool.provider = "nvidia";
    for (int i = 0; i < gpus; ++i) {
      Gpu gpu;
      gpu.index = i;
      gpu.uuid = "GPU-" + std::to_string(i);
      gpu.model = "H100";
      pool.gpus.push_back(gpu);
    }
  });
  return keys;
}

/// What the Go program's `admin` leaves.
Keys go_pool(int gpus = 4) {
  Keys keys;
  keys.image().gpu_count = std::to_string(gpus);
  for (int i = 0; i < gpus; ++i) keys.image().gpus[i] = std::nullopt;
  return keys;
}

Request request(const std::string& id, int count = 1) {
  Request wanted;
  wanted.id = id;
  wanted.account = {1000, "alice"};
  wanted.count = count;
  wanted.enqueued = wanted.last_heartbeat = at();
  wanted.waiter = {"host", kBoot, 1, 42, 4200};
  return wanted;
}

void grant_to(Keys& keys, const Request& wanted, Duration when = {}) {
  keys.update([&](Pool& pool) {
    enqueue(pool, wanted);
    schedule(pool, {at(when), [](const auto&) { return Liveness::Alive; }, Settings{}});
  });
}

json without(json value, const std::string& member) {
  EXPECT_TRUE(value.contains(member)) << value;
  value.erase(member);
  return value;
}

// Ours, as the Go program reads it.

TEST(RedisCodec, WritesThePoolAsTheGoProgramKnowsIt) {
  Keys keys = our_pool(8);
  EXPECT_EQ(keys.image().gpu_count, "8");
  EXPECT_EQ(keys.image().provider, "nvidia");
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(keys.gpu(i).is_null()) << "never used: no key";
}

TEST(RedisCodec, WritesARunWithNumbersForTimes) {
  Keys keys = our_pool();
  Request wanted = request("abc");
  wanted.note = "train";
  wanted.duration = minutes(10);  // --timeout; no expiry for the Go program
  grant_to(keys, wanted);
  EXPECT_EQ(without(keys.gpu(0), "reservation_ids"), (json{{"type", "run"},
                                                           {"user", "alice"},
                                                           {"actual_user", "alice"},
                                                           {"start_time", 1795526708},
                                                           {"last_heartbeat", 1795526708},
                                                           {"note", "train"}}));
  EXPECT_EQ(keys.gpu(0)["reservation_ids"], json::array({"abc"}));
  EXPECT_TRUE(keys.gpu(1).is_null());
}

TEST(RedisCodec, WritesAManualReservationWithItsExpiry) {
  Keys keys = our_pool();
  Request wanted = request("abc");
  wanted.kind = ReservationKind::Manual;
  wanted.label = "bob's notebook";
  wanted.duration = minutes(60);
  grant_to(keys, wanted);
  EXPECT_EQ(without(keys.gpu(0), "reservation_ids"), (json{{"type", "manual"},
                                                           {"user", "bob's notebook"},
                                                           {"actual_user", "alice"},
                                                           {"start_time", 1795526708},
                                                           {"expiry_time", 1795530308}}));
}

TEST(RedisCodec, WritesHeartbeatsOfRuns) {
  Keys keys = our_pool();
  grant_to(keys, request("abc"));
  keys.update([](Pool& pool) { pool.reservations[0].last_heartbeat = at(seconds(61)); });
  EXPECT_EQ(keys.gpu(0)["last_heartbeat"], 1795526769);
  EXPECT_EQ(keys.gpu(0)["start_time"], 1795526708);
}

TEST(RedisCodec, LeavesNoUserOnAFreeGpu) {
  Keys keys = our_pool();
  grant_to(keys, request("abc"));
  keys.update([](Pool& pool) { end_reservation(pool, "abc", at(), EndReason::Finished); });
  EXPECT_EQ(keys.gpu(0), (json{{"last_released", "2026-11-24T13:25:08.259536358Z"}}));
  for (const auto& [field, value] : keys.image().host) {
    EXPECT_EQ(field.find("reservation:"), std::string::npos) << field;
  }
}

TEST(RedisCodec, WritesWhoWaits) {
  Keys keys = our_pool();
  grant_to(keys, request("holds", 4));
  Request wanted = request("waits", 2);
  wanted.kind = ReservationKind::Manual;
  wanted.duration = minutes(60);
  wanted.note = "big";
  keys.update([&](Pool& pool) { enqueue(pool, wanted); });
  ASSERT_EQ(keys.image().queue.size(), 1U);
  EXPECT_EQ(keys.image().queue[0].id, "waits");
  EXPECT_EQ(keys.image().queue[0].score, 1795526708259536358.0);
  EXPECT_EQ(without(keys.entry(0), "canhazgpu"),
            (json{{"id", "waits"},
                  {"user", "alice"},
                  {"actual_user", "alice"},
                  {"requested_count", 2},
                  {"allocated_gpus", json::array()},
                  {"reservation_type", "manual"},
                  {"note", "big"},
                  {"enqueue_time", "2026-11-24T13:25:08.259536358Z"},
                  {"last_heartbeat", "2026-11-24T13:25:08.259536358Z"},
                  {"expiry_duration", 3600000000000}}));
}

TEST(RedisCodec, WritesNamedGpusWithACountOfOne) {
  Keys keys = our_pool();
  Request wanted = request("waits", 2);
  wanted.gpu_ids = {1, 3};
  keys.update([&](Pool& pool) { enqueue(pool, wanted); });
  EXPECT_EQ(keys.entry(0)["requested_ids"], json::array({1, 3}));
  EXPECT_EQ(keys.entry(0)["requested_count"], 1);
  EXPECT_FALSE(keys.entry(0).contains("note"));
  EXPECT_FALSE(keys.entry(0).contains("expiry_duration"));
  EXPECT_EQ(keys.pool().queue[0].count, 2);
}

TEST(RedisCodec, WritesUsageRecords) {
  Keys keys = our_pool();
  grant_to(keys, request("abc"));
  keys.update([](Pool& pool) { end_reservation(pool, "abc", at(minutes(1)), EndReason::Lost); });
  ASSERT_EQ(keys.history().size(), 1U);
  EXPECT_EQ(keys.history()[0].first, "1795526768");
  EXPECT_EQ(without(json::parse(keys.history()[0].second), "canhazgpu"),
            (json{{"user", "alice"},
                  {"gpu_id", 0},
                  {"start_time", "2026-11-24T13:25:08.259536358Z"},
                  {"end_time", "2026-11-24T13:26:08.259536358Z"},
                  {"duration_seconds", 60.0},
                  {"reservation_type", "run"}}));
}

TEST(RedisCodec, HoldsNoNullAnywhere) {
  Keys keys = our_pool();
  grant_to(keys, request("abc"));
  keys.update([](Pool& pool) { enqueue(pool, request("waits", 4)); });
  const std::string all = keys.gpu(0).dump() + keys.entry(0).dump();
  EXPECT_EQ(all.find("null"), std::string::npos) << all;
}

TEST(RedisCodec, KeepsTheOrderOfArrivalInTheScoresWhenTheClockStepsBack) {
  Keys keys = our_pool();
  keys.update([](Pool& pool) { enqueue(pool, request("first", 4)); });
  Request later = request("second", 4);
  later.enqueued = at(-minutes(60));
  keys.update([&](Pool& pool) { enqueue(pool, later); });
  EXPECT_EQ(keys.image().queue[0].id, "first");
  EXPECT_LT(keys.image().queue[0].score, keys.image().queue[1].score);
}

// The Go program's, as we read it.

json go_run() {
  return {{"type", "run"},
          {"user", "alice"},
          {"actual_user", "alice"},
          {"start_time", 1795526708},
          {"last_heartbeat", 1795526708}};
}

json go_entry(const std::string& id, int count) {
  return {{"id", id},
          {"user", "alice"},
          {"actual_user", "alice"},
          {"requested_count", count},
          {"allocated_gpus", nullptr},
          {"reservation_type", "run"},
          {"enqueue_time", "2026-11-24T14:25:08.259536358+01:00"},
          {"last_heartbeat", "2026-11-24T13:25:08Z"}};
}

TEST(RedisCodec, TakesAPoolThatTheGoProgramHasSetUp) {
  Keys keys = go_pool();
  const Pool pool = keys.pool();
  ASSERT_EQ(pool.gpus.size(), 4U);
  EXPECT_EQ(pool.provider, "nvidia");
  EXPECT_EQ(pool.gpus[3].index, 3);
  EXPECT_EQ(pool.gpus[3].uuid, "");
  EXPECT_EQ(pool.next_arrival, 1U);
  keys.image().provider = "amd";
  EXPECT_EQ(keys.pool().provider, "amd");
}

TEST(RedisCodec, FollowsTheGoProgramWhenItChangesTheNumberOfGpus) {
  Keys keys = our_pool(4);
  keys.image().gpu_count = "2";
  ASSERT_EQ(keys.pool().gpus.size(), 2U);
  EXPECT_EQ(keys.pool().gpus[1].uuid, "GPU-1");
  keys.image().gpu_count = "6";
  ASSERT_EQ(keys.pool().gpus.size(), 6U);
  EXPECT_EQ(keys.pool().gpus[5].uuid, "");
  keys.image().gpu_count.reset();
  EXPECT_TRUE(keys.pool().gpus.empty());
}

TEST(RedisCodec, WritesToAPoolOfTheGoProgramWithoutChangingIt) {
  Keys keys = go_pool();
  keys.put_gpu(3, {{"last_released", "2026-11-24T13:24:28.259536358Z"}});
  grant_to(keys, request("abc", 3));
  EXPECT_EQ(keys.image().gpu_count, "4");
  EXPECT_FALSE(keys.image().provider) << "as it was";
  EXPECT_EQ(keys.gpu(3), (json{{"last_released", "2026-11-24T13:24:28.259536358Z"}}));
}

TEST(RedisCodec, ReadsItsRuns) {
  Keys keys = go_pool();
  json value = go_run();
  keys.put_gpu(0, value);
  value["note"] = "train";
  value["user"] = "the team";
  value["last_heartbeat"] = "2026-11-24T13:25:10.5Z";
  value["start_time"] = "2026-11-24T13:25:09Z";
  value["expiry_time"] = nullptr;
  value["last_released"] = nullptr;
  keys.put_gpu(2, value);
  const Pool pool = keys.pool();
  ASSERT_EQ(pool.reservations.size(), 2U);
  const Reservation& first = pool.reservations[0];
  EXPECT_EQ(first.account, (Account{1000, "alice"}));
  EXPECT_EQ(first.label, "");
  EXPECT_EQ(first.kind, ReservationKind::Run);
  EXPECT_EQ(first.gpus, std::vector{0});
  EXPECT_EQ(first.started.wall, WallTime(seconds(1795526708)));
  EXPECT_FALSE(first.ends);
  const Reservation& second = pool.reservations[1];
  EXPECT_EQ(second.label, "the team");
  EXPECT_EQ(second.note, "train");
  EXPECT_EQ(second.last_heartbeat.wall, WallTime(std::chrono::milliseconds(1795526710'500)));
  EXPECT_FALSE(pool.gpus[2].last_released);
}

TEST(RedisCodec, ReadsItsManualReservations) {
  Keys keys = go_pool();
  keys.put_gpu(1, {{"type", "manual"},
                   {"user", "bob"},
                   {"actual_user", "alice"},
                   {"start_time", "1795526670"},
                   {"expiry_time", 1795530270},
                   {"note", "debugging"}});
  const Reservation reservation = keys.pool().reservations.at(0);
  EXPECT_EQ(reservation.kind, ReservationKind::Manual);
  EXPECT_EQ(reservation.account.name, "alice");
  EXPECT_EQ(reservation.label, "bob");
  EXPECT_EQ(reservation.started.wall, WallTime(seconds(1795526670)));
  EXPECT_EQ(reservation.ends, WallTime(seconds(1795530270)));
  EXPECT_FALSE(reservation.holder);
}

TEST(RedisCodec, JoinsTheGpusOfOneReservationByUserTypeAndTime) {
  Keys keys = go_pool();
  json other = go_run();
  other["start_time"] = 1795526709;
  keys.put_gpu(0, go_run());
  keys.put_gpu(1, other);
  keys.put_gpu(3, go_run());
  const Pool pool = keys.pool();
  ASSERT_EQ(pool.reservations.size(), 2U);
  EXPECT_EQ(pool.reservations[0].gpus, (std::vector{0, 3}));
  EXPECT_EQ(pool.reservations[1].gpus, std::vector{1});
  EXPECT_NE(pool.reservations[0].id, pool.reservations[1].id);
  // The id survives its rewriting with each heartbeat.
  json beaten = go_run();
  beaten["start_time"] = "2026-11-24T13:25:08Z";
  beaten["last_heartbeat"] = "2026-11-24T13:26:29.07243279Z";
  const std::string id = pool.reservations[0].id;
  keys.put_gpu(0, beaten);
  keys.put_gpu(3, beaten);
  EXPECT_EQ(keys.pool().reservations[0].id, id);
  EXPECT_EQ(keys.pool().reservations[0].gpus, (std::vector{0, 3}));
}

TEST(RedisCodec, GivesUnknownAccountsToNobody) {
  Keys keys = go_pool();
  json value = go_run();
  value["user"] = value["actual_user"] = "mallory";
  keys.put_gpu(0, value);
  const Account account = keys.pool().reservations.at(0).account;
  EXPECT_EQ(account.name, "mallory");
  EXPECT_EQ(account.uid, redis_go::kUnknownUid);
}

TEST(RedisCodec, LetsItsRunsLiveByTheirHeartbeats) {
  Keys keys = go_pool();
  keys.put_gpu(0, go_run());
  const auto reaped = [&](Duration later) {
    Pool pool = keys.pool();
    reap(pool, {at(later), unseen, Settings{}});
    return pool;
  };
  EXPECT_EQ(reaped(minutes(4)).reservations.size(), 1U);
  EXPECT_TRUE(reaped(minutes(6)).reservations.empty());
  // What has no time at all is nobody's to end.
  keys.put_gpu(0, {{"type", "run"}, {"user", "alice"}});
  EXPECT_EQ(reaped(minutes(600)).reservations.size(), 1U);
}

TEST(RedisCodec, EndsItsReservationsAsItDoes) {
  Keys keys = go_pool();
  keys.put_gpu(0, go_run());
  keys.update([](Pool& pool) { reap(pool, {at(minutes(6)), unseen, Settings{}}); });
  EXPECT_EQ(keys.gpu(0), (json{{"last_released", "2026-11-24T13:25:08Z"}}));
  ASSERT_EQ(keys.history().size(), 1U);
  EXPECT_EQ(json::parse(keys.history()[0].second)["user"], "alice");
}

TEST(RedisCodec, LeavesItsReservationsAsTheyAre) {
  Keys keys = go_pool();
  json value = go_run();
  value["unknown"] = {1, 2};
  keys.put_gpu(0, value);
  grant_to(keys, request("abc"));
  EXPECT_EQ(keys.gpu(0), value);
  EXPECT_EQ(keys.gpu(1)["reservation_ids"], json::array({"abc"}));
}

TEST(RedisCodec, ExtendsItsReservationsByTheirExpiryAlone) {
  Keys keys = go_pool();
  json value = {{"type", "manual"},         {"user", "alice"},           {"actual_user", "alice"},
                {"start_time", 1795526670}, {"expiry_time", 1795530270}, {"unknown", "kept"}};
  keys.put_gpu(0, value);
  keys.update([](Pool& pool) { extend(pool, {{1000, "alice"}, false}, {0}, minutes(1)); });
  value["expiry_time"] = 1795530330;
  EXPECT_EQ(keys.gpu(0), value);
}

TEST(RedisCodec, ReadsWhatItReleased) {
  Keys keys = our_pool();
  grant_to(keys, request("abc"));
  keys.update([](Pool& pool) { end_reservation(pool, "abc", at(), EndReason::Finished); });
  EXPECT_EQ(keys.pool().gpus[0].last_released, at()) << "the boot clock's as well";
  keys.put_gpu(0, {{"last_released", "2026-11-24T13:30:00Z"}});
  EXPECT_EQ(keys.pool().gpus[0].last_released, (Instant{WallTime(seconds(1795527000)), {}, ""}));
}

TEST(RedisCodec, KnowsThatItTookGpusOfOursAway) {
  Keys keys = our_pool();
  grant_to(keys, request("abc", 2));
  keys.put_gpu(0, {{"last_released", "2026-11-24T13:30:00Z"}});
  EXPECT_EQ(keys.pool().reservations.at(0).gpus, std::vector{1});
  keys.put_gpu(1, go_run());
  const Pool pool = keys.pool();
  ASSERT_EQ(pool.reservations.size(), 1U);
  EXPECT_EQ(pool.reservations[0].gpus, std::vector{1});
  EXPECT_NE(pool.reservations[0].id, "abc");
  // What is left of the record goes with the next change.
  keys.update([](Pool& changed) { changed.admin_group = "x"; });
  EXPECT_FALSE(keys.image().host.contains("reservation:abc"));
}

TEST(RedisCodec, ForgetsWhyAGpuWasUnavailableThatItHasTaken) {
  Keys keys = our_pool();
  keys.update([](Pool& pool) { pool.gpus[0].unavailable = Unavailability{}; });
  EXPECT_TRUE(keys.pool().gpus[0].unavailable);
  keys.put_gpu(0, go_run());
  EXPECT_FALSE(keys.pool().gpus[0].unavailable);
}

TEST(RedisCodec, ReadsItsQueue) {
  Keys keys = go_pool();
  json entry = go_entry("dc2d07d4", 6);
  entry["note"] = "big";
  keys.put_entry(1795526708259536358.0, entry);
  json named = go_entry("named", 1);
  named["requested_ids"] = {3, 1, 3};
  named["reservation_type"] = "manual";
  named["expiry_duration"] = 3599999176179;
  keys.put_entry(1795526709259536358.0, named);
  const Pool pool = keys.pool();
  ASSERT_EQ(pool.queue.size(), 2U);
  EXPECT_EQ(pool.queue[0].id, "dc2d07d4");
  EXPECT_EQ(pool.queue[0].count, 6);
  EXPECT_EQ(pool.queue[0].note, "big");
  EXPECT_EQ(pool.queue[0].enqueued.wall, kNow);
  EXPECT_TRUE(pool.queue[0].takes_itself);
  EXPECT_EQ(pool.queue[1].gpu_ids, (std::vector{1, 3}));
  EXPECT_EQ(pool.queue[1].count, 2);
  EXPECT_EQ(pool.queue[1].duration, Duration(3599999176179));
}

TEST(RedisCodec, ForgetsItsWaitersAfterTwoMinutes) {
  Keys keys = go_pool();
  keys.put_entry(1795526708259536358.0, go_entry("dc2d07d4", 1));
  const auto waiting = [&](Duration later) {
    Pool pool = keys.pool();
    drop_gone_waiters(pool, {at(later), unseen, Settings{}});
    return pool.queue.size();
  };
  EXPECT_EQ(waiting(seconds(110)), 1U);
  EXPECT_EQ(waiting(seconds(130)), 0U);
  keys.update([](Pool& pool) { drop_gone_waiters(pool, {at(seconds(130)), unseen, Settings{}}); });
  EXPECT_TRUE(keys.image().queue.empty());
}

TEST(RedisCodec, SharesOneQueueInOrderOfArrival) {
  Keys keys = go_pool();
  grant_to(keys, request("holds", 4));
  keys.update([](Pool& pool) { enqueue(pool, request("before", 2)); });
  keys.put_entry(1795526709259536358.0, go_entry("theirs", 2));
  Request after = request("after", 2);
  after.enqueued = at(seconds(2));
  keys.update([&](Pool& pool) { enqueue(pool, after); });
  std::string order;
  for (const auto& entry : keys.image().queue) order += entry.id + " ";
  EXPECT_EQ(order, "before theirs after ");
  // Its own turn is its own to take: two GPUs stay free for it.
  keys.update([](Pool& pool) {
    end_reservation(pool, "holds", at(seconds(3)), EndReason::Finished);
    schedule(pool, {at(seconds(3)), [](const auto&) { return Liveness::Unseen; }, Settings{}});
  });
  const Pool pool = keys.pool();
  ASSERT_EQ(pool.reservations.size(), 1U);
  EXPECT_EQ(pool.reservations[0].id, "before");
  ASSERT_EQ(pool.queue.size(), 2U);
  EXPECT_EQ(explain(pool, at())[0].held.size(), 2U);
  EXPECT_TRUE(explain(pool, at())[1].held.empty());
}

TEST(RedisCodec, CountsWhatItsWaiterHasCollected) {
  Keys keys = go_pool();
  json partial = go_run();
  partial["partial_queue_id"] = "dc2d07d4";
  keys.put_gpu(1, partial);
  partial["start_time"] = partial["last_heartbeat"] = 1795526800;
  keys.put_gpu(2, partial);
  json entry = go_entry("dc2d07d4", 4);
  entry["allocated_gpus"] = {1, 2};
  entry["last_heartbeat"] = "2026-11-24T14:00:00Z";
  keys.put_entry(1795526708259536358.0, entry);
  const Pool pool = keys.pool();
  ASSERT_EQ(pool.reservations.size(), 1U);
  EXPECT_EQ(pool.reservations[0].gpus, (std::vector{1, 2}));
  EXPECT_EQ(to_rfc3339(pool.reservations[0].last_heartbeat.wall), "2026-11-24T14:00:00Z");
  EXPECT_EQ(pool.queue.at(0).count, 2);
}

TEST(RedisCodec, ReadsItsHistory) {
  const std::vector<UsageRecord> records =
      decode_history({R"({"user":"bob","gpu_id":2,"start_time":"2026-11-24T13:25:08Z","end_time":)"
                      R"("2026-11-24T13:25:08.756318575Z","duration_seconds":0.756318575,)"
                      R"("reservation_type":"manual"})",
                      "nonsense", "[]", R"({"user":7})", R"({"canhazgpu":{"gpu":"x"}})"},
                     uid_of);
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].account, (Account{1001, "bob"}));
  EXPECT_EQ(records[0].gpu, 2);
  EXPECT_EQ(records[0].kind, ReservationKind::Manual);
  EXPECT_EQ(records[0].ended - records[0].started, std::chrono::nanoseconds(756318575));
}

// Hostile values.

TEST(RedisCodec, RefusesWhatNeitherProgramWrites) {
  const auto refuses = [](const std::string& key, const std::function<void(RedisImage&)>& spoil) {
    Keys keys = our_pool();
    grant_to(keys, request("abc"));
    keys.update([](Pool& pool) { enqueue(pool, request("waits", 4)); });
    spoil(keys.image());
    expect_error(ErrorKind::Failed, "'" + key + "'", [&] { keys.pool(); });
  };
  refuses("canhazgpu:gpu_count", [](auto& image) { image.gpu_count = "many"; });
  refuses("canhazgpu:gpu_count", [](auto& image) { image.gpu_count = "-1"; });
  refuses("canhazgpu:gpu_count", [](auto& image) { image.gpu_count = "999999999"; });
  refuses("canhazgpu:gpu:0", [](auto& image) { image.gpus[0] = "{\"user\":"; });
  refuses("canhazgpu:gpu:0", [](auto& image) { image.gpus[0] = "[1]"; });
  refuses("canhazgpu:gpu:0", [](auto& image) { image.gpus[0] = R"({"reservation_ids":[7]})"; });
  refuses("canhazgpu:queue:entry:waits", [](auto& image) { image.queue[0].value = "\xff"; });
  refuses("canhazgpu:queue:entry:waits",
          [](auto& image) { image.queue[0].value = R"({"canhazgpu":{"arrival":"x"}})"; });
  refuses("canhazgpu:host", [](auto& image) { image.host["settings"] = R"({"version":1})"; });
  refuses("canhazgpu:host", [](auto& image) { image.host["gpu:0"] = "7"; });
}

TEST(RedisCodec, RefusesARecordOfALaterVersion) {
  Keys keys = our_pool();
  keys.image().host["settings"] = R"({"version":2})";
  expect_error(ErrorKind::Failed, "newer canhazgpu", [&] { keys.pool(); });
}

TEST(RedisCodec, SurvivesOddMembersOfTheGoProgram) {
  for (const char* value :
       {R"({"user":7,"type":[]})", R"({"user":null})", R"({"user":""})", "{}",
        R"({"user":"a","start_time":1e300,"last_heartbeat":-1e300,"expiry_time":"never"})",
        R"({"user":"a","start_time":99999999999999999999,"note":{},"type":"other"})",
        R"({"user":"a","start_time":"2026-99-99T99:99:99Z","actual_user":[1]})",
        R"({"last_released":null})", R"({"last_released":"yesterday"})"}) {
    Keys keys = go_pool();
    keys.image().gpus[0] = value;
    EXPECT_NO_THROW(keys.pool()) << value;
    const bool held = std::string(value).find(R"("user":"a")") != std::string::npos;
    EXPECT_EQ(keys.pool().reservations.size(), held ? 1U : 0U) << value;
  }
  for (const char* value : {"{}", R"({"requested_count":-5})",
                            R"({"requested_count":1e99,"requested_ids":[-1,"x",1e9]})",
                            R"({"requested_count":18446744073709551615,"expiry_duration":-1})",
                            R"({"enqueue_time":7,"last_heartbeat":"x","user":{}})"}) {
    Keys keys = go_pool();
    keys.image().queue.push_back({"id", 1e300, value});
    ASSERT_EQ(keys.pool().queue.size(), 1U) << value;
    EXPECT_GE(keys.pool().queue[0].count, 1) << value;
  }
}

// Times.

TEST(RedisJson, ReadsTimesOfManyShapes) {
  const auto read = [](const json& value) { return redis_json::read_time(value); };
  const WallTime time{seconds(1795526708)};
  for (const json& value :
       {json(1795526708), json("1795526708"), json(1795526708.0), json("2026-11-24T13:25:08Z"),
        json("2026-11-24T15:25:08+02:00"), json("2026-11-24T08:55:08.000-04:30")}) {
    EXPECT_EQ(read(value), time) << value;
  }
  EXPECT_EQ(read("2026-11-24T13:25:08.259536358Z"), kNow);
  EXPECT_EQ(read(-1), WallTime(seconds(-1)));
  for (const json& value : {json("yesterday"), json(""), json(nullptr), json(true), json(1e30),
                            json("2026-11-24"), json("2026-11-24T13:25:08"), json("nan"),
                            json("2026-11-24T13:25:08+0200"), json("9999-01-01T00:00:00Z"),
                            json("2026-11-24T13:25:08Zx"), json("20 6-11-24T13:25:08Z")}) {
    EXPECT_FALSE(read(value)) << value;
  }
}

TEST(RedisJson, WritesTimesAsGoDoes) {
  EXPECT_EQ(redis_json::to_rfc3339_nano(kNow), "2026-11-24T13:25:08.259536358Z");
  EXPECT_EQ(redis_json::to_rfc3339_nano(WallTime(seconds(1795526708))), "2026-11-24T13:25:08Z");
  EXPECT_EQ(redis_json::to_rfc3339_nano(WallTime(std::chrono::milliseconds(1795526708'500))),
            "2026-11-24T13:25:08.5Z");
}

}  // namespace
}  // namespace chg
