#include "cli/command_line.h"

#include <algorithm>
#include <cctype>
#include <sstream>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace chg {
namespace {

constexpr char kExamples[] =
    "Examples:\n"
    "  canhazgpu status                                who has which GPU\n"
    "  canhazgpu run --gpus 2 -- python train.py       reserve 2 GPUs, run, give them back\n"
    "  canhazgpu reserve --gpus 1 --duration 4h        hold a GPU for four hours\n"
    "  canhazgpu release                               give back what you hold by hand\n"
    "\n"
    "'canhazgpu COMMAND --help' tells more. Nothing set up yet? 'sudo canhazgpu admin' does it.";

// --help of a command that takes another behind "--", which CLI11 does not know of.
class CommandFormatter final : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App* app, std::string name) const override {
    std::string usage = CLI::Formatter::make_usage(app, std::move(name));
    usage.erase(usage.find_last_not_of('\n') + 1);
    return usage + " -- COMMAND [ARGUMENTS]\n";
  }
};

const std::vector<Option>& global_options() {
  static const std::vector<Option> options = {
      {"--config", "FILE", "Read this configuration file instead of yours"},
      {"--store", "URL", "Use this store: sqlite:PATH or redis://HOST:PORT/DB", "store"},
      {"--redis-host", "HOST", "Use the Redis on this host as store", "redis.host"},
      {"--redis-port", "PORT", "Its port, if not 6379", "redis.port"},
      {"--redis-db", "N", "Its database, if not 0", "redis.db"},
      {"--memory-threshold", "MB", "Memory in MB beyond which a GPU is in use", "memory.threshold"},
      {"--no-color", "", "No colours"},
      {"-v,--verbose", "", "Explain decisions on stderr"}};
  return options;
}

void take(Invocation& invocation, const Option& option, const std::string& value) {
  const std::string name(option.name());
  if (option.key.empty()) {
    invocation.arguments.values[name] = value;
    return;
  }
  invocation.flags.push_back({option.key, value, "--" + name});
  // The one flag that sets both thresholds, as people expect of its name.
  if (option.key == "memory.threshold") {
    invocation.flags.push_back({"memory.process_threshold", value, "--" + name});
  }
}

void add_option(CLI::App& app, const Option& option, Invocation& invocation) {
  if (option.is_flag()) {
    app.add_flag_callback(
        option.names, [&] { take(invocation, option, "true"); }, option.help);
    return;
  }
  CLI::Option* added = app.add_option_function<std::string>(
      option.names, [&](const std::string& value) { take(invocation, option, value); },
      option.help);
  added->type_name(option.type);
  added->multi_option_policy(option.is_list ? CLI::MultiOptionPolicy::Join
                                            : CLI::MultiOptionPolicy::TakeLast);
  if (option.is_list) added->delimiter(',');
}

template <typename Needed>
void add_command(CLI::App& root, const Command& command, const Needed& is_needed,
                 Invocation& invocation) {
  CLI::App& app = *root.add_subcommand(std::string(command.name), command.help);
  if (command.is_hidden) app.group("");
  app.footer(fmt::format("Examples:\n{}", command.examples));
  if (command.takes_command) app.formatter(std::make_shared<CommandFormatter>());
  for (const Option& option : command.options) {
    if (is_needed(option)) add_option(app, option, invocation);
  }
  for (const Operand& operand : command.operands) {
    app.add_option_function<std::string>(
           operand.name,
           [&](const std::string& value) { invocation.arguments.values[operand.name] = value; },
           operand.help)
        ->required(!operand.is_optional)
        ->type_name("");
  }
  app.callback([&] { invocation.command = &command; });
}

using Words = std::vector<std::string>;

// CLI11 takes longer to build an option than to read the command line, so it is shown only those
// commands and options that the words may mean; all of them where it has to tell of them.
bool ask_for_help(const Words& words) {
  return std::any_of(words.begin(), words.end(), [](const std::string& word) {
    return word.starts_with("-h") || word == "--help";
  });
}

bool may_mean(const Words& words, const Command& command) {
  const auto name = [&](const Command& one) {
    return std::find(words.begin(), words.end(), one.name) != words.end();
  };
  return name(command) || std::none_of(commands().begin(), commands().end(), name);
}

bool may_mean(const Words& words, const Option& option) {
  const auto may_mean_it = [&](std::string_view word) {
    if (word.starts_with("--")) return word.substr(2).starts_with(option.name());
    return word.starts_with('-') && option.letter() != '\0' &&
           word.find(option.letter()) != word.npos;
  };
  return std::any_of(words.begin(), words.end(), may_mean_it);
}

void build(CLI::App& root, const Words& words, Invocation& invocation) {
  root.name("canhazgpu");
  root.description("Reserve the GPUs of a shared host");
  root.footer(kExamples);
  root.set_version_flag("--version", "canhazgpu " CANHAZGPU_VERSION);
  root.get_formatter()->column_width(34);
  root.require_subcommand(0, 1);
  // Global options may stand behind the command too, where people write them.
  root.fallthrough();
  const auto is_needed = [&, all = ask_for_help(words)](const auto& part) {
    return all || may_mean(words, part);
  };
  for (const Option& option : global_options()) {
    if (is_needed(option)) add_option(root, option, invocation);
  }
  for (const Command& command : commands()) {
    if (is_needed(command)) add_command(root, command, is_needed, invocation);
  }
}

std::vector<std::string> names_of_options(const std::vector<Option>& options) {
  std::vector<std::string> names = {"--help"};
  for (const Option& option : options) {
    names.push_back(fmt::format("--{}", option.name()));
    if (option.letter() != '\0') names.push_back({'-', option.letter()});
  }
  return names;
}

std::string suggest(const std::string& word, const std::vector<std::string>& known,
                    const std::string& otherwise) {
  const std::string found = nearest(word, known);
  return found.empty() ? otherwise : fmt::format("did you mean '{}'?", found);
}

std::string chosen_command(const CLI::App& root) {
  const auto chosen = root.get_subcommands();
  return chosen.empty() ? "" : chosen.front()->get_name();
}

std::string see_help(const CLI::App& root) {
  const std::string command = chosen_command(root);
  return fmt::format("see: canhazgpu {}{}--help", command, command.empty() ? "" : " ");
}

[[noreturn]] void refuse_command(const CLI::App& root, const std::string& word) {
  std::vector<std::string> known;
  for (const Command& command : commands()) {
    if (!command.is_hidden) known.emplace_back(command.name);
  }
  throw Error(ErrorKind::Usage, fmt::format("unknown command '{}'", printable(word, 60)),
              suggest(word, known, see_help(root)));
}

[[noreturn]] void refuse_option(const CLI::App& root, const std::string& word) {
  const std::string name = word.substr(0, word.find('='));
  std::vector<std::string> known;
  for (const Command& command : commands()) {
    if (command.name == chosen_command(root)) known = names_of_options(command.options);
  }
  const std::vector<std::string> global = names_of_options(global_options());
  known.insert(known.end(), global.begin(), global.end());
  throw Error(ErrorKind::Usage, fmt::format("unknown option '{}'", printable(name, 60)),
              suggest(name, known, see_help(root)));
}

[[noreturn]] void refuse_extra(const CLI::App& root, const std::string& word) {
  if (word.starts_with('-') && word.size() > 1) refuse_option(root, word);
  const std::string command = chosen_command(root);
  if (command.empty()) refuse_command(root, word);
  const std::string shown = printable(word, 60);
  if (command == "run") {
    throw Error(ErrorKind::Usage, fmt::format("unexpected word '{}' before '--'", shown),
                "write '--' before your command: canhazgpu run --gpus 1 -- " + shown);
  }
  throw Error(ErrorKind::Usage, fmt::format("unexpected word '{}'", shown), see_help(root));
}

// CLI11's sentences in our form.
[[noreturn]] void refuse(const CLI::App& root, const CLI::ParseError& error) {
  std::string text = printable(error.what());
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    text = fmt::format("option '{}' needs a value", text.substr(0, text.find(':')));
  } else if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    text = fmt::format("{} is missing", text.substr(0, text.find(' ')));
  } else if (!text.empty()) {
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  }
  throw Error(ErrorKind::Usage, text, see_help(root));
}

// CLI11 takes --json=3 for --json.
void refuse_values_of_flags(const CLI::App& root, const std::vector<std::string>& words,
                            const std::vector<Option>& options) {
  for (const Option& option : options) {
    const std::string name = fmt::format("--{}", option.name());
    const bool has_value = std::any_of(words.begin(), words.end(), [&](const std::string& word) {
      return word.starts_with(name + "=");
    });
    if (!option.is_flag() || !has_value) continue;
    throw Error(ErrorKind::Usage, fmt::format("option '{}' takes no value", name), see_help(root));
  }
}

void move_global_values(Invocation& invocation) {
  auto& values = invocation.arguments.values;
  invocation.config_file = invocation.arguments.value("config");
  invocation.is_verbose = values.erase("verbose") > 0;
  invocation.no_color = values.erase("no-color") > 0;
  values.erase("config");
}

// "help" is "--help", and "help COMMAND" is "COMMAND --help". Whether that was said.
bool replace_help(Words& words) {
  if (words.empty() || words.front() != "help") return false;
  words.erase(words.begin());
  words.emplace_back("--help");
  return true;
}

// "--note=" is "--note" and an empty word: CLI11 would take the next word for the value.
Words with_empty_values_apart(const Words& words) {
  Words apart;
  for (const std::string& word : words) {
    const bool is_empty =
        word.size() > 3 && word.starts_with("--") && word.find('=') == word.size() - 1;
    apart.push_back(is_empty ? word.substr(0, word.size() - 1) : word);
    if (is_empty) apart.emplace_back();
  }
  return apart;
}

bool is_command(const std::string& word) {
  return std::any_of(commands().begin(), commands().end(),
                     [&](const Command& command) { return command.name == word; });
}

}  // namespace

std::optional<Invocation> read_command_line(const std::vector<std::string>& arguments) {
  CLI::App root;
  Invocation invocation;
  const auto separator = std::find(arguments.begin(), arguments.end(), "--");
  if (separator != arguments.end()) {
    invocation.arguments.command = std::vector(separator + 1, arguments.end());
  }
  // CLI11 takes them from the back.
  Words words(arguments.begin(), separator);
  const bool says_help = replace_help(words);
  build(root, words, invocation);
  if (says_help && words.front() != "--help" && !is_command(words.front())) {
    refuse_command(root, words.front());
  }
  Words parsed = with_empty_values_apart(words);
  std::reverse(parsed.begin(), parsed.end());
  try {
    root.parse(std::move(parsed));
  } catch (const CLI::Success& done) {
    std::ostringstream text;
    root.exit(done, text, text);
    print(text.str());
    return std::nullopt;
  } catch (const CLI::ExtrasError&) {
    refuse_extra(root, root.remaining(true).front());
  } catch (const CLI::ParseError& error) {
    refuse(root, error);
  }
  if (invocation.command == nullptr && !invocation.arguments.command) {
    return read_command_line({"--help"});
  }
  if (invocation.command == nullptr) {
    throw Error(ErrorKind::Usage, "no command given",
                "try: canhazgpu status, or see: canhazgpu --help");
  }
  refuse_values_of_flags(root, words, global_options());
  refuse_values_of_flags(root, words, invocation.command->options);
  if (invocation.arguments.command && !invocation.command->takes_command) {
    throw Error(ErrorKind::Usage, "only 'canhazgpu run' takes a command behind '--'",
                "canhazgpu run --gpus 1 -- python train.py");
  }
  move_global_values(invocation);
  return invocation;
}

}  // namespace chg
