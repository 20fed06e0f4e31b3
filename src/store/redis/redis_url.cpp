#include "store/redis/redis_url.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/number.h"
#include "base/shell_word.h"
#include "base/text.h"

namespace chg {
namespace {

constexpr std::string_view kTcp = "redis://";
constexpr std::string_view kSentinel = "redis-sentinel://";
constexpr std::string_view kUnix = "redis+unix://";
constexpr std::string_view kUnixShort = "unix://";
// Redis knows 16 databases unless configured otherwise; this only keeps nonsense out.
constexpr int kDatabaseMax = 1'000'000;

// The URL without what stands between the scheme and '@': the part that may hold a password. A
// password with an unescaped '@' or '/' in it is hidden as well.
std::string without_secrets(std::string_view url) {
  const std::size_t scheme = url.find("://");
  const std::size_t at = url.rfind('@');
  if (at == std::string_view::npos) return printable(url, 100);
  const std::string_view begin =
      scheme == std::string_view::npos ? std::string_view() : url.substr(0, scheme + 3);
  return printable(fmt::format("{}…{}", begin, url.substr(at)), 100);
}

class Parser {
 public:
  explicit Parser(std::string_view url) : url_(url), rest_(url) {}

  RedisAddress parse() {
    const std::string_view scheme = take_scheme();
    take_query();
    take_credentials();
    if (scheme == kUnix || scheme == kUnixShort) {
      address_.socket = decode(rest_);
      if (!address_.socket.starts_with('/')) refuse("the path of the socket must begin with '/'");
    } else if (scheme == kSentinel) {
      take_sentinels();
    } else {
      const std::string_view server = take_until('/');
      if (!server.empty()) address_.server = endpoint(server, kRedisPort);
      if (!rest_.empty()) address_.database = database(rest_);
    }
    return address_;
  }

 private:
  [[noreturn]] void refuse(std::string_view why) const {
    throw Error(ErrorKind::Usage,
                fmt::format("'{}' is no URL of a Redis: {}", without_secrets(url_), why),
                "write redis://HOST:PORT/DB, redis+unix:///PATH or "
                "redis-sentinel://HOST:PORT,HOST:PORT/MASTER");
  }

  std::string_view take_scheme() {
    for (const std::string_view scheme : {kTcp, kSentinel, kUnix, kUnixShort}) {
      if (!rest_.starts_with(scheme)) continue;
      rest_.remove_prefix(scheme.size());
      return scheme;
    }
    refuse("unknown scheme");
  }

  std::string_view take_until(char separator) { return cut(rest_, separator); }

  void take_query() {
    const std::size_t begin = rest_.find('?', rest_.rfind('@') + 1);
    if (begin == std::string_view::npos) return;
    std::string_view query = rest_.substr(begin + 1);
    rest_ = rest_.substr(0, begin);
    while (!query.empty()) set(cut(query, '&'));
  }

  void set(std::string_view value) {
    const std::string_view name = cut(value, '=');
    if (name == "db") {
      address_.database = database(value);
    } else if (name == "prefix") {
      address_.prefix = decode(value);
      if (address_.prefix.empty()) refuse("the prefix is empty");
    } else if (name == "replicas") {
      address_.replicas = number(value, 0, kRedisReplicasMax, "number of replicas");
    } else {
      refuse(
          fmt::format("unknown parameter '{}' (known: db, prefix, replicas)", printable(name, 40)));
    }
  }

  void take_credentials() {
    const std::size_t at = rest_.rfind('@');
    if (at == std::string_view::npos) return;
    const std::string_view credentials = rest_.substr(0, at);
    rest_.remove_prefix(at + 1);
    const std::size_t colon = credentials.find(':');
    address_.username = decode(credentials.substr(0, colon));
    if (colon != std::string_view::npos) address_.password = decode(credentials.substr(colon + 1));
    if (!address_.username.empty() && address_.password.empty()) {
      refuse("there is a user without a password");
    }
  }

  void take_sentinels() {
    std::string_view hosts = take_until('/');
    while (!hosts.empty()) {
      address_.sentinels.push_back(endpoint(cut(hosts, ','), kSentinelPort));
    }
    address_.master = decode(take_until('/'));
    if (address_.sentinels.empty()) refuse("no Sentinel is named");
    if (address_.master.empty()) refuse("the name of the master is missing");
    if (!rest_.empty()) address_.database = database(rest_);
  }

  // "host", "host:1", "[::1]", "[::1]:1".
  RedisEndpoint endpoint(std::string_view text, int default_port) const {
    RedisEndpoint parsed;
    parsed.port = default_port;
    std::string_view port;
    if (text.starts_with('[')) {
      const std::size_t end = text.find(']');
      if (end == std::string_view::npos) refuse("']' is missing");
      parsed.host = text.substr(1, end - 1);
      port = text.substr(end + 1);
    } else {
      const std::size_t colon = text.find(':');
      parsed.host = decode(text.substr(0, colon));
      if (colon != std::string_view::npos) port = text.substr(colon);
    }
    if (parsed.host.empty()) refuse("a host is missing");
    if (!port.empty()) {
      if (!port.starts_with(':')) refuse("a port begins with ':'");
      parsed.port = number(port.substr(1), 1, 65535, "port");
    }
    return parsed;
  }

  int database(std::string_view text) const { return number(text, 0, kDatabaseMax, "database"); }

  int number(std::string_view text, int min, int max, std::string_view what) const {
    const auto value = chg::parse<int>(text);
    if (!value || *value < min || *value > max) {
      refuse(fmt::format("'{}' is no {}", printable(text, 40), what));
    }
    return *value;
  }

  std::string decode(std::string_view text) const {
    std::string decoded;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '%') {
        decoded += text[i];
        continue;
      }
      const std::string_view digits = text.substr(i + 1, 2);
      const auto byte = chg::parse<unsigned char>(digits, 16);
      // NUL ends paths and arguments of the system's calls.
      if (digits.size() != 2 || byte.value_or(0) == 0) refuse("'%' needs two hex digits");
      decoded += static_cast<char>(*byte);
      i += 2;
    }
    return decoded;
  }

  std::string_view url_;
  std::string_view rest_;
  RedisAddress address_;
};

std::string encoded(std::string_view text, std::string_view also_plain = "") {
  std::string result;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') ||
                          std::string_view("-._~").find(c) != std::string_view::npos ||
                          also_plain.find(c) != std::string_view::npos;
    result += is_plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return result;
}

std::string to_text(const RedisEndpoint& endpoint) {
  const bool is_ipv6 = endpoint.host.find(':') != std::string::npos;
  return is_ipv6 ? fmt::format("[{}]:{}", endpoint.host, endpoint.port)
                 : fmt::format("{}:{}", encoded(endpoint.host), endpoint.port);
}

std::string credentials_of(const RedisAddress& address, bool with_password) {
  if (with_password && !address.password.empty()) {
    return fmt::format("{}:{}@", encoded(address.username), encoded(address.password));
  }
  return with_password || address.username.empty() ? "" : encoded(address.username) + "@";
}

}  // namespace

bool is_redis_url(std::string_view text) {
  return text.starts_with(kTcp) || text.starts_with(kSentinel) || text.starts_with(kUnix) ||
         text.starts_with(kUnixShort);
}

RedisAddress parse_redis_url(std::string_view url) { return Parser(url).parse(); }

std::string to_url(const RedisAddress& address, bool with_password) {
  const std::string credentials = credentials_of(address, with_password);
  std::string url;
  std::string query;
  if (!address.socket.empty()) {
    url = fmt::format("{}{}{}", kUnix, credentials, encoded(address.socket, "/"));
    if (address.database != 0) query = fmt::format("db={}", address.database);
  } else {
    if (address.sentinels.empty()) {
      url = fmt::format("{}{}{}", kTcp, credentials, to_text(address.server));
    } else {
      std::string hosts;
      for (const RedisEndpoint& sentinel : address.sentinels) {
        hosts += (hosts.empty() ? "" : ",") + to_text(sentinel);
      }
      url = fmt::format("{}{}{}/{}", kSentinel, credentials, hosts, encoded(address.master));
    }
    if (address.database != 0) url += fmt::format("/{}", address.database);
  }
  if (address.prefix != RedisAddress{}.prefix) {
    query += (query.empty() ? "prefix=" : "&prefix=") + encoded(address.prefix, "{}:");
  }
  if (address.replicas != 0) {
    query += fmt::format("{}replicas={}", query.empty() ? "" : "&", address.replicas);
  }
  return query.empty() ? url : url + "?" + query;
}

std::string redis_cli(const RedisAddress& address) {
  if (!address.socket.empty()) return "redis-cli -s " + shell_word(address.socket);
  const RedisEndpoint& server =
      address.sentinels.empty() ? address.server : address.sentinels.front();
  if (server == RedisEndpoint()) return "redis-cli";
  return fmt::format("redis-cli -h {} -p {}", shell_word(server.host), server.port);
}

}  // namespace chg
