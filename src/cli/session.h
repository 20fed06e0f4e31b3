// What a subcommand works with: the configuration in force, the host, and the way to talk to
// people.
#pragma once

#include <optional>
#include <string>

#include "app/context.h"
#include "base/error.h"
#include "cli/output.h"
#include "config/config.h"
#include "render/style.h"
#include "store/redis/redis_url.h"

namespace chg {

class Session {
 public:
  /// `is_verbose`: -v. `no_color`: --no-color.
  Session(const World& world, Config config, Caller caller, bool is_verbose, bool no_color);

  const Config& config() const { return config_; }
  /// Who asks, even where the host's account is not known.
  const Caller& caller() const { return caller_; }
  Context& context() { return context_; }

  /// This host with the store of this URL, as --store takes it. Throws Error(Usage) for any other
  /// text.
  Context context_with_store(const std::string& url) const;

  /// A Redis, with the password and the other things that the configuration says of one. Throws
  /// Error(Usage) for what is none.
  RedisAddress redis_at(const std::string& url) const;

  /// What is wrong where the Go program has, or had, a pool where the configuration looks for a
  /// Redis (localhost, if it names none), and this host has none; see missed_import.
  std::optional<Error> missed_import();

  /// Whether stdout takes colours, and the width of its terminal.
  Style style() const;

  /// Says "canhazgpu: TEXT" on stderr.
  void say(const std::string& text) const;

  /// As `say`, only with -v.
  void explain(const std::string& text) const;

  /// Says so if other users do not see the store. Called by every command that reserves.
  void warn_if_private() const;

 private:
  const World& world_;
  Config config_;
  Caller caller_;
  Context context_;
  bool is_verbose_;
  bool no_color_;
};

/// The variable of the environment; "" where it is not set.
std::string environment(const char* name);

}  // namespace chg
