#include "store/redis/redis_url.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace chg {
namespace {

std::string secret_free(const std::string& url) { return to_url(parse_redis_url(url), false); }

TEST(RedisUrl, IsKnownByItsScheme) {
  for (const char* url : {"redis://", "redis+unix:///s", "unix:///s", "redis-sentinel://a/m"}) {
    EXPECT_TRUE(is_redis_url(url)) << url;
  }
  for (const char* text : {"sqlite:/x", "rediss://a", "redis:", "/redis://", ""}) {
    EXPECT_FALSE(is_redis_url(text)) << text;
  }
}

TEST(RedisUrl, HasDefaults) {
  EXPECT_EQ(parse_redis_url("redis://"), RedisAddress{});
  EXPECT_EQ(parse_redis_url("redis:///"), RedisAddress{});
  EXPECT_EQ(parse_redis_url("redis://localhost:6379/0"), RedisAddress{});
  EXPECT_NE(parse_redis_url("redis://localhost:6379/1"), RedisAddress{});
}

TEST(RedisUrl, NamesHostPortAndDatabase) {
  const RedisAddress address = parse_redis_url("redis://gpu-db.example:7000/3");
  EXPECT_EQ(address.server, (RedisEndpoint{"gpu-db.example", 7000}));
  EXPECT_EQ(address.database, 3);
  EXPECT_EQ(address.username, "");
  EXPECT_EQ(address.password, "");
}

TEST(RedisUrl, NamesAnIpv6Address) {
  EXPECT_EQ(parse_redis_url("redis://[fd00::1]:7000").server, (RedisEndpoint{"fd00::1", 7000}));
  EXPECT_EQ(parse_redis_url("redis://[::1]/2").server, (RedisEndpoint{"::1", 6379}));
  EXPECT_EQ(secret_free("redis://[::1]"), "redis://[::1]:6379");
}

TEST(RedisUrl, HoldsUserAndPassword) {
  const RedisAddress address = parse_redis_url("redis://al%40ice:p%2Fw%3A%40@host");
  EXPECT_EQ(address.username, "al@ice");
  EXPECT_EQ(address.password, "p/w:@");
  EXPECT_EQ(address.server.host, "host");
  EXPECT_EQ(parse_redis_url("redis://:secret@host").username, "");
  EXPECT_EQ(parse_redis_url("redis://:secret@host").password, "secret");
  EXPECT_EQ(parse_redis_url("redis://:a@b:c@host").password, "a@b:c");
}

TEST(RedisUrl, NamesAUnixSocket) {
  const RedisAddress address = parse_redis_url("redis+unix://u:p@/run/re%20dis.sock?db=4");
  EXPECT_EQ(address.socket, "/run/re dis.sock");
  EXPECT_EQ(address.database, 4);
  EXPECT_EQ(address.password, "p");
  EXPECT_EQ(parse_redis_url("unix:///s").socket, "/s");
}

TEST(RedisUrl, NamesSentinelsAndTheirMaster) {
  const RedisAddress address =
      parse_redis_url("redis-sentinel://:pw@one:1,two,[::3]:3/gpu-master/5");
  const std::vector<RedisEndpoint> sentinels = {{"one", 1}, {"two", 26379}, {"::3", 3}};
  EXPECT_EQ(address.sentinels, sentinels);
  EXPECT_EQ(address.master, "gpu-master");
  EXPECT_EQ(address.database, 5);
  EXPECT_EQ(address.password, "pw");
}

TEST(RedisUrl, HasAPrefixForItsKeys) {
  EXPECT_EQ(parse_redis_url("redis://a?prefix=%7Bgpu%7D&db=2").prefix, "{gpu}");
  EXPECT_EQ(parse_redis_url("redis://a?prefix=x&db=2").database, 2);
  EXPECT_EQ(parse_redis_url("redis://a?replicas=2").replicas, 2);
  EXPECT_EQ(parse_redis_url("redis://a").replicas, 0);
  EXPECT_EQ(parse_redis_url("redis://a").prefix, "canhazgpu");
}

TEST(RedisUrl, IsTheSameWrittenAndReadAgain) {
  for (const std::string url :
       {"redis://", "redis://u:p%40%20@h:1/2?prefix=q", "redis://[::1]:3", "redis://:p@h",
        "redis+unix://u:p@/a%20b?db=3&prefix={x}&replicas=1", "redis://h:1?replicas=2",
        "redis-sentinel://u:p@a:1,b:2/m/4"}) {
    const RedisAddress address = parse_redis_url(url);
    EXPECT_EQ(parse_redis_url(to_url(address, true)), address) << url;
  }
}

TEST(RedisUrl, ShowsNoPassword) {
  EXPECT_EQ(secret_free("redis://:secret@host/1"), "redis://host:6379/1");
  EXPECT_EQ(secret_free("redis://alice:secret@host"), "redis://alice@host:6379");
  EXPECT_EQ(secret_free("unix://:secret@/run/s"), "redis+unix:///run/s");
  EXPECT_EQ(secret_free("redis-sentinel://:secret@a/m"), "redis-sentinel://a:26379/m");
}

TEST(RedisUrl, IsRefusedWhenItIsNone) {
  for (const char* url : {"http://a",
                          "redis://a:0",
                          "redis://a:65536",
                          "redis://a:b",
                          "redis://a:",
                          "redis://a/b",
                          "redis://a/-1",
                          "redis://[::1",
                          "redis://[::1]x",
                          "redis://[]",
                          "redis://:1",
                          "redis://a?dbx=1",
                          "redis://a?db=",
                          "redis://a?prefix=",
                          "redis://a?replicas=x",
                          "redis://%4",
                          "redis://%zz",
                          "redis://a%00b",
                          "redis://alice@a",
                          "unix://relative",
                          "redis+unix://",
                          "redis-sentinel://",
                          "redis-sentinel://a",
                          "redis-sentinel:///m",
                          "redis-sentinel://,/m",
                          "redis://a%+1"}) {
    const Error error = error_of([&] { parse_redis_url(url); });
    EXPECT_EQ(error.kind(), ErrorKind::Usage) << url;
    EXPECT_NE(error.hint(), "") << url;
  }
}

TEST(RedisUrl, IsRefusedWithoutTellingThePassword) {
  for (const char* url : {"redis://u:se/cret@a:x", "redis://u:se@cret@a:x", "http://u:secret@a",
                          "redis://u:se%zcret@a", "redis-sentinel://:secret@a",
                          "redis://u:secret@a?dbx=1", "redis://u:se?cret@a:x"}) {
    const Error error = error_of([&] { parse_redis_url(url); });
    EXPECT_EQ(std::string(error.what()).find("cret"), std::string::npos) << error.what();
  }
}

TEST(RedisCli, AsksThatRedis) {
  EXPECT_EQ(redis_cli(parse_redis_url("redis://localhost")), "redis-cli");
  EXPECT_EQ(redis_cli(parse_redis_url("redis://:secret@gpu1:6380/3")), "redis-cli -h gpu1 -p 6380");
  EXPECT_EQ(redis_cli(parse_redis_url("redis+unix:///a%20b/redis.sock")),
            "redis-cli -s '/a b/redis.sock'");
  EXPECT_EQ(redis_cli(parse_redis_url("redis-sentinel://s1,s2/mine")), "redis-cli -h s1 -p 26379");
}

}  // namespace
}  // namespace chg
