#include "app/admin.h"

#include <map>

#include <fmt/format.h>
#include <unistd.h>

#include "base/error.h"
#include "base/number.h"
#include "base/text.h"
#include "cli/command.h"
#include "core/gpu_ids.h"
#include "render/words.h"

namespace chg {
namespace {

bool confirm_clearing(const Pool& pool) {
  const std::string what =
      fmt::format("{} and {}", count_of(pool.reservations.size(), "reservation"),
                  count_of(pool.queue.size(), "waiting request"));
  if (isatty(STDIN_FILENO) != 1) {
    throw Error(ErrorKind::Failed, "--force would take away " + what, "confirm it with --yes");
  }
  return ask("--force takes away " + what + "; go on?");
}

std::string models_of(const Pool& pool) {
  std::map<std::string, int> counts;
  for (const Gpu& gpu : pool.gpus) ++counts[gpu.model.empty() ? "unknown model" : gpu.model];
  std::string text;
  for (const auto& [model, count] : counts) {
    text += fmt::format("{}{}x {}", text.empty() ? "" : ", ", count, printable(model, 60));
  }
  return text;
}

int number_of_gpus(const std::string& text) {
  const auto number = parse<int>(text);
  if (!number || *number < 1 || *number > 1024) {
    throw Error(ErrorKind::Usage, fmt::format("invalid number of GPUs '{}'", printable(text, 60)),
                "write a whole number from 1 to 1024");
  }
  return *number;
}

std::string provider_from(const std::string& text) {
  if (text == "nvidia" || text == "amd" || text == "fake") return text;
  throw Error(ErrorKind::Usage, fmt::format("unknown provider '{}'", printable(text, 60)),
              "write nvidia, amd, or fake for simulated GPUs");
}

AdminOptions options_from(const Arguments& arguments) {
  AdminOptions options;
  if (const auto gpus = arguments.value("gpus")) options.gpus = number_of_gpus(*gpus);
  if (const auto name = arguments.value("provider")) options.provider = provider_from(*name);
  if (const auto ids = arguments.value("drain")) options.drain = parse_gpu_ids(*ids);
  if (const auto ids = arguments.value("undrain")) options.undrain = parse_gpu_ids(*ids);
  options.group = arguments.value("group");
  options.admin_group = arguments.value("admin-group");
  options.note = arguments.value("note").value_or("");
  options.force = arguments.has("force");
  return options;
}

int execute_admin(Session& session, const Arguments& arguments) {
  const AdminOptions options = options_from(arguments);
  // A second pool beside it would give every GPU out twice.
  if (!options.force) {
    if (const auto missed = session.missed_import()) throw Error(*missed);
  }
  const Confirm agree = [](const Pool&) { return true; };
  const AdminResult result = administer(session.context(), options,
                                        arguments.has("yes") ? agree : Confirm(confirm_clearing));
  session.warn_if_private();
  std::string text =
      fmt::format("{} {} ({}) in {}\n", result.created ? "set up a pool of" : "the pool has",
                  count_of(result.pool.gpus.size(), "GPU"), models_of(result.pool),
                  printable(session.context().options().store_path));
  if (result.cleared_reservations + result.cleared_requests > 0) {
    text += fmt::format("cleared {} and {}\n", count_of(result.cleared_reservations, "reservation"),
                        count_of(result.cleared_requests, "waiting request"));
  }
  for (const std::string& field : result.damaged) {
    text += fmt::format("took out '{}', which could not be read\n", printable(field, 60));
  }
  if (!result.gone.empty()) text += fmt::format("left the pool: {}\n", to_gpu_names(result.gone));
  if (!result.gone_drained.empty()) {
    const bool is_one = result.gone_drained.size() == 1;
    text += fmt::format("{} out of service if {} back\n",
                        to_gpu_names(result.gone_drained) + (is_one ? " stays" : " stay"),
                        is_one ? "it comes" : "they come");
  }
  if (!options.drain.empty())
    text += fmt::format("out of service: {}\n", to_gpu_names(options.drain));
  if (!options.undrain.empty())
    text += fmt::format("in service: {}\n", to_gpu_names(options.undrain));
  if (result.pool.provider == "fake") {
    text += fmt::format("the GPUs are simulated; edit {} to change what they show\n",
                        printable(session.context().fake_file()));
  }
  for (const std::string& warning : result.warnings) session.say("warning: " + warning);
  print(text, kOutputHintOfChange);
  return 0;
}

}  // namespace

Command admin_command() {
  return {
      .name = "admin",
      .help = "Set up or change the host's pool of GPUs",
      .examples =
          "  sudo canhazgpu admin                          all GPUs, for everybody on this host\n"
          "  sudo canhazgpu admin --group gpu              for the members of a group\n"
          "  sudo canhazgpu admin --drain 3 --note 'fan broken, back on Friday'\n"
          "  canhazgpu admin --provider fake --gpus 8 --store sqlite:/tmp/try/pool.db",
      .options = {{"-g,--gpus", "N", "How many GPUs (default: those found)"},
                  {"-p,--provider", "WHAT", "nvidia, amd, or fake for simulated GPUs"},
                  {"--force", "", "Clear reservations, queue, damage; believe what is found"},
                  {"--yes", "", "Don't ask before --force clears"},
                  {"--group", "NAME", "Only members of this group may reserve"},
                  {"--admin-group", "NAME", "Its members may change everybody's reservations"},
                  {"--drain", "IDS", "Take these GPUs out of service"},
                  {"--undrain", "IDS", "Put these GPUs back in service"},
                  {"-n,--note", "TEXT", "Why they are drained, shown in status"}},
      .execute = execute_admin};
}

}  // namespace chg
