#include "render/queue.h"

#include "app/view.h"
#include "cli/command.h"
#include "cli/many_hosts.h"
#include "render/remote.h"

namespace chg {
namespace {

int show_all(Session& session, const Arguments& arguments) {
  const Style style = session.style();
  return show_hosts<QueueOverview>(
      session, arguments,
      {"queue",
       "queue",
       {"queue", "--json"},
       [&](const QueueOverview& seen) { return queue_text(seen, style); },
       queue_json,
       read_remote_queue,
       [&](const Json& queue) { return remote_queue_text(queue, style); }},
      [&] { return view_all_queues(session.context()); });
}

int execute(Session& session, const Arguments& arguments) {
  if (asks_for_hosts(session, arguments, "queue")) return show_all(session, arguments);
  const QueueOverview seen = view_queue(session.context());
  mention_elsewhere(session, seen.elsewhere);
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
      "  canhazgpu queue --all       every host\n"
      "  canhazgpu queue --json";
  command.options = {{"-j,--json", "", "Print JSON", "queue.json"}};
  for (const Option& option : host_options("queue")) command.options.push_back(option);
  command.execute = execute;
  return command;
}

}  // namespace chg
