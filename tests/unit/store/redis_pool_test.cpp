#include "store/redis/redis_pool.h"

#include <gtest/gtest.h>

#include "store/records.h"
#include "support/expect_error.h"
#include "support/full_pool.h"
#include "support/redis_reply.h"

namespace chg {
namespace {

RedisReply words(const std::vector<std::string>& all) {
  std::vector<RedisReply> elements;
  for (const std::string& word : all) elements.push_back(text_reply(word));
  return list_reply(std::move(elements));
}

RedisReply hash_of(const Pool& pool, const std::string& version) {
  std::vector<std::string> all = {"version", version};
  for (const auto& [field, record] : records::writes(pool)) {
    all.insert(all.end(), {field, record.value_or("")});
  }
  return words(all);
}

RedisReply entry(const std::string& id, const std::string& after, const std::string& commit,
                 const Pool& from, const Pool& to) {
  std::vector<std::string> all = {"after", after, "commit", commit};
  for (const auto& [field, record] : records::writes(to, difference(from, to))) {
    all.insert(all.end(), {(record ? "=" : "-") + field, record.value_or("")});
  }
  return list_reply({text_reply(id), words(all)});
}

TEST(RedisPool, IsReadFromItsHash) {
  const RedisPool found = read_redis_pool(hash_of(full_pool(), "17 9f3a"));
  EXPECT_EQ(found.pool, full_pool());
  EXPECT_EQ(found.version, (RedisVersion{17, "9f3a"}));
  EXPECT_EQ(found.version.text(), "17 9f3a");
}

TEST(RedisPool, IsEmptyWhereThereIsNone) {
  const RedisPool found = read_redis_pool(list_reply({}));
  EXPECT_EQ(found.pool, Pool{});
  EXPECT_EQ(found.version.text(), "");
}

TEST(RedisPool, RefusesAVersionThatIsNone) {
  for (const char* version : {"", "5", "5 ", "x 9f", "-1 9f", "99999999999999999999 9f"}) {
    expect_error(ErrorKind::Failed, "its version is", [&] {
      read_redis_pool(words({"version", version}));
    });
  }
}

class RedisLog : public ::testing::Test {
 protected:
  RedisLog() {
    later_ = first_;
    later_.gpus[1].model = "other";
    later_.queue.erase(later_.queue.begin());
    last_ = later_;
    last_.cancelled.clear();
    last_.provider = "amd";
  }

  Pool first_ = full_pool();
  Pool later_;
  Pool last_;
  RedisPool known_ = read_redis_pool(hash_of(first_, "7 aa"));
};

TEST_F(RedisLog, IsFollowedStepByStep) {
  EXPECT_TRUE(follow_log(known_, list_reply({entry("8-0", "aa", "bb", first_, later_),
                                             entry("9-0", "bb", "cc", later_, last_)})));
  EXPECT_EQ(known_.pool, last_);
  EXPECT_EQ(known_.version, (RedisVersion{9, "cc"}));
}

TEST_F(RedisLog, IsFollowedWhereNothingCame) {
  EXPECT_TRUE(follow_log(known_, list_reply({})));
  EXPECT_EQ(known_.pool, first_);
}

TEST_F(RedisLog, OfAnotherHistoryIsNotFollowed) {
  EXPECT_FALSE(follow_log(known_, list_reply({entry("8-0", "a0", "bb", first_, later_)})));
  EXPECT_FALSE(follow_log(known_, list_reply({entry("9-0", "aa", "bb", first_, later_)})));
  EXPECT_EQ(known_.pool, first_);
  EXPECT_FALSE(follow_log(known_, list_reply({entry("8-0", "aa", "bb", first_, later_),
                                              entry("10-0", "bb", "cc", later_, last_)})));
}

TEST_F(RedisLog, WhoseEntriesAreNoneIsNotFollowed) {
  EXPECT_FALSE(follow_log(known_, list_reply({text_reply("8-0")})));
  EXPECT_FALSE(
      follow_log(known_, list_reply({list_reply({text_reply("8-0"), words({"after", "aa"})})})));
  EXPECT_FALSE(follow_log(
      known_,
      list_reply({list_reply({text_reply("8-0"), words({"after", "aa", "commit", "bb", "=x"})})})));
}

TEST(RedisEvents, TellWhereAnEntryIsAndWhatIsInIt) {
  const RedisReply reply =
      list_reply({text_reply("1795525200123-4"), words({"end", R"({"event":"ended"})"})});
  const EventEntry entry = read_event_entry(reply);
  EXPECT_EQ(entry.position, (EventPosition{1'795'525'200'123, 4}));
  EXPECT_TRUE(entry.is_end);
  EXPECT_EQ(entry.json, R"({"event":"ended"})");
  EXPECT_FALSE(read_event_entry(list_reply({text_reply("1-1"), words({"event", "{}"})})).is_end);
}

TEST(RedisEvents, RefuseWhatIsNoEntry) {
  for (const RedisReply& reply :
       {text_reply("1-1"), list_reply({}), list_reply({text_reply("1-1")}),
        list_reply({text_reply("1-1"), words({"end"})}),
        list_reply({text_reply("x-1"), words({"end", "{}"})}),
        list_reply({text_reply("1"), words({"end", "{}"})})}) {
    expect_error(ErrorKind::Failed, "damaged", [&] { read_event_entry(reply); });
  }
}

TEST(RedisEvents, AreNeverCountedFromBefore1970) {
  EXPECT_EQ(event_millisecond(WallTime(std::chrono::nanoseconds(1'999'999))), 1U);
  EXPECT_EQ(event_millisecond(WallTime(std::chrono::nanoseconds(-1))), 0U);
  EXPECT_EQ(event_millisecond(WallTime::min()), 0U);
}

TEST(RedisHosts, SayWhereTheirPoolIs) {
  const std::string registration =
      registration_of(full_pool(), RedisKeys{"of-alpha"}, WallTime(Duration(0)));
  EXPECT_EQ(registered_prefix(registration), "of-alpha");
  EXPECT_NE(registration.find(R"("registered":"1970-01-01T00:00:00Z")"), std::string::npos);
}

TEST(RedisHosts, SayNothingInAnotherForm) {
  for (const char* text : {"", "{}", "nonsense", R"({"prefix":7})"}) {
    EXPECT_EQ(registered_prefix(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace chg
