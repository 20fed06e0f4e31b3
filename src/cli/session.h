// What a subcommand works with: the configuration in force, the host, and the way to talk to
// people.
#pragma once

#include <string>

#include "app/context.h"
#include "config/config.h"
#include "render/style.h"

namespace chg {

class Session {
 public:
  /// `is_verbose`: -v. `no_color`: --no-color.
  Session(const World& world, Config config, bool is_verbose, bool no_color);

  const Config& config() const { return config_; }
  Context& context() { return context_; }

  /// This host with another store, named as for --store. Throws Error(Usage) for what is none.
  Context context_with_store(const std::string& url) const;

  /// How stdout is to look: colour and width, if it is a terminal.
  Style style() const;

  /// Says "canhazgpu: TEXT" on stderr.
  void say(const std::string& text) const;

  /// As `say`, only with -v.
  void explain(const std::string& text) const;

  /// Says that other users don't see the store, where that is so. Every command that reserves does.
  void warn_if_private() const;

 private:
  const World& world_;
  Config config_;
  Context context_;
  bool is_verbose_;
  bool no_color_;
};

/// Writes the result of a command to stdout. Throws Error(Failed) when it can't be written (a full
/// disk); a reader that has gone away ends the program as usual, by SIGPIPE.
void print(const std::string& text);

/// Asks on the terminal; anything but "y" or "yes" is no.
bool ask(const std::string& question);

}  // namespace chg
