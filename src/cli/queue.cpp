#include "render/queue.h"

#include "app/view.h"
#include "cli/command.h"

namespace chg {
namespace {

int execute(Session& session, const Arguments&) {
  const QueueOverview seen = view_queue(session.host());
  print(session.config().flag("queue.json") ? queue_json(seen) : queue_text(seen, session.style()));
  return 0;
}

}  // namespace

Command queue_command() {
  Command command;
  command.name = "queue";
  command.help = "Show who waits, for what, why, and until when";
  command.examples =
      "  canhazgpu queue\n"
      "  canhazgpu queue --json";
  command.options = {{"-j,--json", "", "Print JSON", "queue.json"}};
  command.execute = execute;
  return command;
}

}  // namespace chg
