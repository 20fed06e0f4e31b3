#include <fmt/format.h>

#include "app/store_copy.h"
#include "base/error.h"
#include "base/text.h"
#include "cli/command.h"

namespace chg {
namespace {

std::string count_of(std::size_t count, const std::string& what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

// What lives with the old store, so that nobody is surprised.
void mention_left(const Session& session, const StoreCopy& copied, const std::string& from) {
  if (copied.waiting > 0) {
    session.say(
        fmt::format("{} still wait{} in {}, and would be given GPUs from there: cancel "
                    "what waits (canhazgpu cancel ID), and ask again in the new store",
                    count_of(static_cast<std::size_t>(copied.waiting), "request"),
                    copied.waiting == 1 ? "s" : "", from));
  }
  if (copied.live_runs > 0) {
    session.say(
        fmt::format("{} go{} on: the GPUs stay reserved in the new store until the "
                    "commands have ended",
                    count_of(static_cast<std::size_t>(copied.live_runs), "live run"),
                    copied.live_runs == 1 ? "es" : ""));
  }
}

int execute(Session& session, const Arguments& arguments) {
  const std::string action = arguments.value("ACTION").value_or("");
  if (action != "copy") {
    throw Error(ErrorKind::Usage, fmt::format("unknown action '{}'", printable(action, 60)),
                "write: canhazgpu store copy FROM TO");
  }
  const std::string to_url = arguments.value("TO").value_or("");
  Context from = session.context_with_store(arguments.value("FROM").value_or(""));
  Context to = session.context_with_store(to_url);
  const StoreCopy copied = copy_store(from, to);
  const std::string from_place = printable(from.options().store_path);
  mention_left(session, copied, from_place);
  print(fmt::format("copied {}, {} and {} from {} to {}, and compared them\n",
                    count_of(copied.pool.gpus.size(), "GPU"),
                    count_of(copied.pool.reservations.size(), "reservation"),
                    count_of(copied.records, "usage record"), from_place,
                    printable(to.options().store_path)));
  return 0;
}

}  // namespace

Command store_command() {
  Command command;
  command.name = "store";
  command.help = "Copy the pool to another store, with its history";
  command.examples =
      "  sudo canhazgpu store copy sqlite:/var/lib/canhazgpu/pool.db redis://HOST/0\n"
      "  canhazgpu store copy 'redis://HOST/0?prefix=old' 'redis://HOST/0?prefix=new'\n"
      "\n"
      "FROM and TO are written as for --store; passwords are better set as redis.password. TO has\n"
      "to be empty, FROM stays as it is. The queue is not copied. A run goes on, and its GPUs "
      "stay\n"
      "reserved in TO. Then name TO as 'store' in /etc/canhazgpu/config.yaml.";
  command.operands = {{"ACTION", "copy"}, {"FROM", "The store to copy"}, {"TO", "An empty store"}};
  command.execute = execute;
  return command;
}

}  // namespace chg
