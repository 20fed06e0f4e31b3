// Where a Redis is, and how to be let in, as a URL. Pure: nothing is looked up.
//
//   redis://[[USER][:PASSWORD]@]HOST[:PORT][/DB]        TCP; HOST may be an [IPv6] address
//   redis+unix://[[USER][:PASSWORD]@]/PATH[?db=DB]      a Unix socket; unix:// says the same
//   redis-sentinel://[[USER][:PASSWORD]@]HOST[:PORT][,HOST[:PORT]...]/MASTER[/DB]
//
// Each takes ?prefix=TEXT, ?db=DB and ?replicas=COUNT, joined with '&'. Names, passwords and paths
// are percent-decoded.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace chg {

struct RedisEndpoint {
  std::string host = "localhost";
  int port = 6379;

  bool operator==(const RedisEndpoint&) const = default;
};

struct RedisAddress {
  RedisEndpoint server;
  std::string socket;                    ///< path of a Unix socket; "": TCP
  std::vector<RedisEndpoint> sentinels;  ///< who knows the master; empty: no Sentinel
  std::string master;                    ///< its name there
  std::string username;                  ///< "": the default user
  std::string password;                  ///< "": none
  int database = 0;
  std::string prefix = "canhazgpu";  ///< keys begin with it and a colon
  int replicas = 0;                  ///< that must have a promise before it is believed

  bool operator==(const RedisAddress&) const = default;
};

/// 6379 for a server, 26379 for a Sentinel.
inline constexpr int kRedisPort = 6379;
inline constexpr int kSentinelPort = 26379;

/// More replicas than this are a mistake.
inline constexpr int kRedisReplicasMax = 100;

/// Whether the text begins as a URL of a Redis does.
bool is_redis_url(std::string_view text);

/// Throws Error(Usage), with the URL but never its password, for what is no such URL.
RedisAddress parse_redis_url(std::string_view url);

/// The URL, with the password if `with_password`; without, there is no trace of it.
/// parse_redis_url(to_url(address, true)) == address.
std::string to_url(const RedisAddress& address, bool with_password);

/// How to ask that Redis by hand, for a shell: "redis-cli -h HOST -p PORT". Without a password.
std::string redis_cli(const RedisAddress& address);

}  // namespace chg
