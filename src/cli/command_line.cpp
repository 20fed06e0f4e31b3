#include "cli/command_line.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "base/shell_word.h"
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
    "'canhazgpu COMMAND --help' tells more. Nothing set up yet? 'sudo canhazgpu admin' does it.\n";

const Option kHelp = {"-h,--help", "", "Print this help message and exit"};
const Option kVersion = {"--version", "", "Display program version information and exit"};

// They may stand before the command and behind it, where people write them.
const std::vector<Option>& global_options() {
  static const std::vector<Option> options = {
      kHelp,
      kVersion,
      {"--config", "FILE", "Read this configuration file instead of yours"},
      {"--store", "URL", "Use this store: sqlite:PATH or redis://HOST:PORT/DB", "store"},
      {"--redis-host", "HOST", "Use the Redis on this host as store", "redis.host"},
      {"--redis-port", "PORT", "Its port, if not 6379", "redis.port"},
      {"--redis-db", "N", "Its database, if not 0", "redis.db"},
      {"--memory-threshold", "MB", "Show GPUs as in use beyond this memory", "memory.threshold"},
      {"--no-color", "", "No colours"},
      {"-v,--verbose", "", "Explain decisions on stderr"}};
  return options;
}

std::string help_line(const std::string& name, const std::string& help) {
  return fmt::format("  {:<32}{}\n", name, help);
}

std::string help_lines(const std::vector<Option>& options) {
  std::string text;
  for (const Option& option : options) {
    text += help_line(fmt::format("{} {}", option.names, option.type), option.help);
  }
  return text;
}

std::string program_help() {
  std::string lines;
  for (const Command& command : commands()) {
    if (!command.is_hidden) lines += help_line(std::string(command.name), command.help);
  }
  return fmt::format(
      "Reserve the GPUs of a shared host\n"
      "Usage: canhazgpu [OPTIONS] [SUBCOMMAND]\n\n"
      "Options:\n{}\nSubcommands:\n{}\n{}",
      help_lines(global_options()), lines, kExamples);
}

std::string help_of(const Command& command) {
  std::string usage;
  std::string operands;
  for (const Operand& operand : command.operands) {
    const char* const mark = operand.is_optional ? "" : " REQUIRED";
    usage += operand.is_optional
                 ? fmt::format(" [{}{}]", operand.name, operand.is_repeated ? "..." : "")
                 : fmt::format(" {}", operand.name);
    operands += help_line(operand.name + std::string(mark), operand.help);
  }
  if (!operands.empty()) operands = "Positionals:\n" + operands + "\n";
  if (command.takes_command) usage += " -- COMMAND [ARGUMENTS]";
  return fmt::format("{}\nUsage: canhazgpu {} [OPTIONS]{}\n\n{}Options:\n{}{}\nExamples:\n{}\n",
                     command.help, command.name, usage, operands, help_lines({kHelp}),
                     help_lines(command.options), command.examples);
}

// "-5m" is a value, or a mistake about one.
bool is_option(const std::string& word) {
  return word.size() > 1 && word[0] == '-' && (word[1] < '0' || word[1] > '9');
}

bool has_name(const Option& option, std::string_view name) {
  if (name.starts_with("--")) return name.substr(2) == option.name();
  return name.size() == 2 && name[1] == option.letter();
}

// The options that may be given with this command; nullptr: before one.
std::vector<const Option*> options_with(const Command* command) {
  std::vector<const Option*> options;
  if (command != nullptr) {
    for (const Option& option : command->options) options.push_back(&option);
  }
  for (const Option& option : global_options()) options.push_back(&option);
  return options;
}

[[noreturn]] void refuse(const std::string& text, const std::string& hint) {
  throw Error(ErrorKind::Usage, text, hint);
}

std::string see_help(const Command* command) {
  return command == nullptr ? "see: canhazgpu --help"
                            : fmt::format("see: canhazgpu {} --help", command->name);
}

[[noreturn]] void refuse_unknown(const char* what, const std::string& word,
                                 const std::vector<std::string>& known, const Command* command) {
  const std::string meant = nearest(word, known);
  refuse(fmt::format("unknown {} '{}'", what, printable(word, 60)),
         meant.empty() || meant == word ? see_help(command)
                                        : fmt::format("did you mean '{}'?", meant));
}

// A word that has no place in front of "--".
[[noreturn]] void refuse_stray(const std::string& word, const Command* command) {
  std::vector<std::string> known;
  if (is_option(word)) {
    for (const Option* option : options_with(command)) {
      known.push_back(fmt::format("--{}", option->name()));
      if (option->letter() != '\0') known.push_back({'-', option->letter()});
    }
    refuse_unknown("option", word, known, command);
  }
  if (command == nullptr) {
    for (const Command& one : commands()) {
      if (!one.is_hidden) known.emplace_back(one.name);
    }
    refuse_unknown("command", word, known, command);
  }
  const std::string shown = printable(word, 60);
  if (!command->takes_command) {
    refuse(fmt::format("unexpected word '{}'", shown), see_help(command));
  }
  refuse(fmt::format("unexpected word '{}' before '--'", shown),
         "write '--' before your command: canhazgpu run --gpus 1 -- " + shell_word(word));
}

// What the words in front of "--" say.
class Reader {
 public:
  explicit Reader(std::vector<std::string> words) : words_(std::move(words)) {
    while (next_ < words_.size()) read(words_[next_++]);
  }

  const Command* command() const { return command_; }
  const std::map<std::string, std::string>& values() const { return values_; }
  const std::vector<std::string>& more_words() const { return more_words_; }

  // Checked last: hints need to know the command, and --help is given beside words that are wrong.
  void require_sense() const {
    if (stray_) refuse_stray(*stray_, command_);
    if (command_ == nullptr || operands_ == command_->operands.size()) return;
    if (command_->operands[operands_].is_optional) return;
    refuse(fmt::format("{} is missing", command_->operands[operands_].name), see_help(command_));
  }

 private:
  void read(const std::string& word) {
    if (is_option(word)) return read_option(word);
    if (command_ == nullptr) return read_command(word);
    if (operands_ < command_->operands.size()) {
      const Operand& operand = command_->operands[operands_];
      if (operand.is_repeated) return more_words_.push_back(word);
      values_[operand.name] = word;
      ++operands_;
    } else if (!stray_) {
      stray_ = word;
    }
  }

  // "help" and "help COMMAND" are --help.
  void read_command(const std::string& word) {
    for (const Command& one : commands()) {
      if (one.name == word) command_ = &one;
    }
    if (command_ != nullptr) return;
    if (word != "help") refuse_stray(stray_.value_or(word), nullptr);
    values_["help"] = "true";
  }

  // "--gpus 2", "--gpus=2", "-g 2", "-g2", "-jt"
  void read_option(const std::string& word) {
    const bool is_long = word.starts_with("--");
    const std::string name = word.substr(0, is_long ? word.find('=') : 2);
    const bool has_more = word.size() > name.size();
    for (const Option* option : options_with(command_)) {
      if (!has_name(*option, name)) continue;
      if (!option->is_flag()) {
        return put(*option, has_more ? word.substr(name.size() + is_long) : next_value(*option));
      }
      if (has_more && is_long) {
        refuse(fmt::format("option '{}' takes no value", name), see_help(command_));
      }
      put(*option, "true");
      if (has_more) words_[--next_] = "-" + word.substr(2);
      return;
    }
    if (!stray_) stray_ = name;
  }

  std::string next_value(const Option& option) {
    if (next_ < words_.size()) return words_[next_++];
    refuse(fmt::format("option '--{}' needs a value", option.name()), see_help(command_));
  }

  void put(const Option& option, const std::string& value) {
    std::string& known = values_[std::string(option.name())];
    known = option.is_list && !known.empty() ? known + "," + value : value;
  }

  std::vector<std::string> words_;
  std::size_t next_ = 0;
  const Command* command_ = nullptr;
  std::size_t operands_ = 0;  // how many have been read
  std::map<std::string, std::string> values_;
  std::vector<std::string> more_words_;  // of a repeated operand
  std::optional<std::string> stray_;     // the first word that has no place
};

std::optional<Invocation> tell(const std::string& text) {
  print(text);
  return std::nullopt;
}

// Moves the options that set keys of the configuration from the values to the flags.
void move_flags(Invocation& invocation, const std::vector<Option>& options) {
  auto& values = invocation.arguments.values;
  for (const Option& option : options) {
    if (option.key.empty()) continue;
    const auto value = values.extract(std::string(option.name()));
    if (value.empty()) continue;
    const std::string name = "--" + value.key();
    invocation.flags.push_back({option.key, value.mapped(), name});
    // The one flag that sets both thresholds, as people expect of its name.
    if (option.key == "memory.threshold") {
      invocation.flags.push_back({"memory.process_threshold", value.mapped(), name});
    }
  }
}

}  // namespace

std::optional<Invocation> read_command_line(const std::vector<std::string>& arguments) {
  const auto separator = std::find(arguments.begin(), arguments.end(), "--");
  const Reader reader({arguments.begin(), separator});
  Invocation invocation;
  invocation.command = reader.command();
  auto& values = invocation.arguments.values = reader.values();
  invocation.arguments.words = reader.more_words();
  const Command* command = invocation.command;
  if (values.contains("help")) return tell(command == nullptr ? program_help() : help_of(*command));
  if (values.contains("version")) return tell("canhazgpu " CANHAZGPU_VERSION "\n");
  reader.require_sense();
  const bool has_separator = separator != arguments.end();
  if (command == nullptr && !has_separator) return tell(program_help());
  if (command == nullptr) {
    refuse("no command given", "try: canhazgpu status, or see: canhazgpu --help");
  }
  if (has_separator && !command->takes_command) {
    refuse("only 'canhazgpu run' takes a command behind '--'",
           "canhazgpu run --gpus 1 -- python train.py");
  }
  if (has_separator) invocation.arguments.command = std::vector(separator + 1, arguments.end());
  move_flags(invocation, global_options());
  move_flags(invocation, command->options);
  invocation.config_file = invocation.arguments.value("config");
  invocation.is_verbose = invocation.arguments.has("verbose");
  invocation.no_color = invocation.arguments.has("no-color");
  return invocation;
}

}  // namespace chg
