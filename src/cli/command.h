// A subcommand is a value: what the command line, --help and completion need to know, and the
// function that executes it. Each is defined in a file of its own; commands() lists them all. Their
// texts are literals, since every run of the program makes all of them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/session.h"

namespace chg {

/// An option of a command.
struct Option {
  const char* names = "";  ///< "-g,--gpus", the long one last
  const char* type = "";   ///< what --help shows for the value: "N"; "" for a flag
  const char* help = "";
  std::string key = {};  ///< the key of the configuration that it sets; "": only this command's
  bool is_list = false;  ///< may be said again: the values, joined by commas

  /// Its long name, without dashes.
  std::string_view name() const {
    const std::string_view all = names;
    return all.substr(all.rfind("--") + 2);
  }
  /// Its short name; '\0': none.
  char letter() const { return names[1] == '-' ? '\0' : names[1]; }
  bool is_flag() const { return type[0] == '\0'; }
};

/// `options` followed by `more`.
std::vector<Option> joined(std::vector<Option> options, const std::vector<Option>& more);

/// A word, without dashes, that a command asks for.
struct Operand {
  const char* name = "";  ///< "ID"
  const char* help = "";
  bool is_optional = false;
  bool is_repeated = false;  ///< any number of words; the last operand of its command
};

/// What was typed, but for the options that set keys of the configuration.
struct Arguments {
  std::map<std::string, std::string> values =
      {};                               ///< by long name, "gpu-ids"; an operand by its own
  std::vector<std::string> words = {};  ///< of a repeated operand
  std::optional<std::vector<std::string>> command = {};  ///< what stood behind "--"

  std::optional<std::string> value(const std::string& name) const {
    const auto found = values.find(name);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  }
  bool has(const std::string& name) const { return values.contains(name); }
};

struct Command {
  std::string_view name;
  const char* help = "";
  const char* examples = "";  ///< the end of its --help
  std::vector<Option> options = {};
  std::vector<Operand> operands = {};
  bool takes_command = false;  ///< a command may stand behind "--"
  bool is_hidden = false;      ///< for scripts of ours; not shown in --help
  int (*execute)(Session& session,
                 const Arguments& arguments) = nullptr;  ///< returns the exit status
};

/// All of them, in the order in which people are shown them.
const std::vector<Command>& commands();

Command admin_command();
Command doctor_command();
Command status_command();
Command run_command();
Command reserve_command();
Command extend_command();
Command release_command();
Command queue_command();
Command cancel_command();
Command report_command();
Command events_command();
Command policy_command();
Command store_command();
Command config_command();
Command completion_command();
Command complete_command();

}  // namespace chg
