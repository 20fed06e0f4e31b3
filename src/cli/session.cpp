#include "cli/session.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "app/store_import.h"
#include "base/error.h"
#include "base/text.h"
#include "store/redis/redis_url.h"

namespace chg {
namespace {

constexpr std::string_view kHostStore = "/var/lib/canhazgpu/pool.db";
constexpr std::string_view kSqliteScheme = "sqlite:";

std::string own_store() {
  const std::string state = environment("XDG_STATE_HOME");
  const std::string home = environment("HOME");
  if (state.starts_with('/')) return state + "/canhazgpu/pool.db";
  if (home.starts_with('/')) return home + "/.local/state/canhazgpu/pool.db";
  throw Error(ErrorKind::Failed, "this host has no shared pool, and HOME is not set",
              "set up the host's with: sudo canhazgpu admin");
}

// Whether a key redis.* comes from a source with a higher priority than that of `store`.
bool means_redis(const Config& config) {
  Source strongest = Source::Default;
  for (const char* key : {"redis.host", "redis.port", "redis.db", "redis.socket"}) {
    strongest = std::max(strongest, config.origin(key).source);
  }
  return strongest > config.origin("store").source;
}

// The keys redis.* fill in what the URL does not say.
RedisAddress completed(RedisAddress address, const Config& config) {
  if (config.flag("redis.tls")) {
    throw Error(
        ErrorKind::Usage,
        fmt::format("invalid redis.tls 'true' (from {}): TLS is not available in this version",
                    config.origin("redis.tls").text),
        "leave it out, and reach the Redis by a Unix socket, a trusted network or a tunnel "
        "(stunnel)");
  }
  if (address.password.empty()) {
    address.password = config.text("redis.password").value_or("");
    if (address.username.empty()) address.username = config.text("redis.username").value_or("");
  }
  const std::string prefix = config.text("redis.prefix").value_or("");
  if (!prefix.empty() && address.prefix == RedisAddress{}.prefix) address.prefix = prefix;
  if (address.replicas == 0) address.replicas = static_cast<int>(config.number("redis.replicas"));
  if (!address.username.empty() && address.password.empty()) {
    throw Error(ErrorKind::Usage,
                fmt::format("there is no password for the user '{}' of the Redis",
                            printable(address.username, 60)),
                "set redis.password, or CANHAZGPU_REDIS_PASSWORD");
  }
  return address;
}

RedisAddress redis_address(const Config& config) {
  RedisAddress address;
  const auto url = config.text("store");
  if (url && is_redis_url(*url) && !means_redis(config)) {
    address = parse_redis_url(*url);
  } else {
    address.server.host = config.text("redis.host").value_or(address.server.host);
    address.server.port = static_cast<int>(config.number("redis.port"));
    address.database = static_cast<int>(config.number("redis.db"));
    // The source with the higher priority wins; within one source, redis.host does.
    const auto socket = config.text("redis.socket");
    if (socket && config.origin("redis.socket").source > config.origin("redis.host").source) {
      address.socket = std::filesystem::absolute(*socket);
    }
  }
  return completed(address, config);
}

// Whether root has set up the host's store, or is about to.
bool uses_host_store(const Caller& caller) {
  return caller.uid_here == 0 || access("/var/lib/canhazgpu", F_OK) == 0;
}

void use_redis(ContextOptions& options, const RedisAddress& address, const Caller& caller) {
  options.store_path = to_url(address, false);
  options.store_url = to_url(address, true);
  const std::filesystem::path own = uses_host_store(caller) ? std::string(kHostStore) : own_store();
  options.state_directory = own.parent_path();
}

// All options but those of the store.
ContextOptions common_options(const Config& config) {
  ContextOptions options;
  options.probe = config.text("probe").value_or("");
  options.probe_timeout = config.duration("probe.timeout").value_or(options.probe_timeout);
  if (const auto file = config.text("fake.file")) {
    options.fake_file = std::filesystem::absolute(*file);
  }
  options.view = config.view();
  if (config.text("amd.variable") == "rocr") options.amd_variable = AmdVariable::Rocr;
  return options;
}

// With the store that the configuration names. Without one: the host's store if root has set it up,
// or root runs this; else a store of the user's own.
ContextOptions context_options(const Config& config, const Caller& caller) {
  ContextOptions options = common_options(config);
  const auto store = config.text("store");
  if (means_redis(config) || (store && is_redis_url(*store))) {
    use_redis(options, redis_address(config), caller);
  } else if (store) {
    // Absolute, since the supervisor of a run changes its working directory.
    options.store_path = std::filesystem::absolute(store->substr(kSqliteScheme.size()));
  } else if (uses_host_store(caller)) {
    options.store_path = kHostStore;
  } else {
    options.store_path = own_store();
    options.store_is_private = true;
  }
  return options;
}

}  // namespace

Session::Session(const World& world, Config config, Caller caller, bool is_verbose, bool no_color)
    : world_(world),
      config_(std::move(config)),
      caller_(std::move(caller)),
      context_(world, context_options(config_, caller_), caller_),
      is_verbose_(is_verbose),
      no_color_(no_color) {
  for (const std::string& warning : config_.warnings()) say("warning: " + warning);
}

Context Session::context_with_store(const std::string& url) const {
  ContextOptions options = common_options(config_);
  if (is_redis_url(url)) {
    use_redis(options, completed(parse_redis_url(url), config_), caller_);
  } else if (url.starts_with(kSqliteScheme) && url.size() > kSqliteScheme.size()) {
    options.store_path = std::filesystem::absolute(url.substr(kSqliteScheme.size()));
  } else {
    throw Error(ErrorKind::Usage, fmt::format("'{}' is no store", printable(url, 100)),
                "write sqlite:PATH or redis://HOST:PORT/DB");
  }
  return Context(world_, std::move(options), caller_);
}

RedisAddress Session::redis_at(const std::string& url) const {
  return completed(parse_redis_url(url), config_);
}

std::optional<Error> Session::missed_import() {
  std::optional<RedisAddress> address;
  try {
    address = redis_address(config_);
  } catch (const Error&) {
    return std::nullopt;  // a Redis that is half told, and so not in use
  }
  return chg::missed_import(context_, *address);
}

Style Session::style() const {
  Style style;
  const bool is_terminal = isatty(STDOUT_FILENO) == 1;
  const std::string wanted = config_.text("color").value_or("auto");
  const bool refused = no_color_ || !environment("NO_COLOR").empty();
  style.color = !refused && (wanted == "always" || (wanted == "auto" && is_terminal));
  winsize size{};
  if (is_terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) style.columns = size.ws_col;
  return style;
}

void Session::say(const std::string& text) const { say_line(text); }

void Session::explain(const std::string& text) const {
  if (is_verbose_) say(text);
}

void Session::warn_if_private() const {
  if (!context_.options().store_is_private) return;
  say(
      fmt::format("this pool is your own ({}): other users don't see it; set up the host's with: "
                  "sudo canhazgpu admin",
                  context_.options().store_path));
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace chg
