#include "render/queue.h"

#include "app/view.h"
#include "cli/command.h"
#include "cli/many_hosts.h"
#include "render/remote.h"

namespace chg {
namespace {

int execute_queue(Session& session, const Arguments& arguments) {
  const bool is_json = session.config().flag("queue.json");
  const Style style = session.style();
  const auto show = [&](const QueueOverview& seen) {
    return is_json ? queue_json(seen) : queue_text(queue_rows(seen), style);
  };
  if (asks_for_hosts(session, arguments, "queue")) {
    const auto local = [&] { return shown_parts(view_all_queues(session.context()), show); };
    const auto remote = [&](const std::string& answer) {
      return is_json ? remote_queue_json(answer) : queue_text(read_remote_queue(answer), style);
    };
    return show_hosts(session, arguments, {"queue", "queue", {"queue", "--json"}, local, remote});
  }
  const QueueOverview seen = view_queue(session.context());
  mention_elsewhere(session, seen.elsewhere);
  print(show(seen));
  return 0;
}

}  // namespace

Command queue_command() {
  return {
      .name = "queue",
      .help = "Show who waits, for what, why, and until when",
      .examples =
          "  canhazgpu queue\n"
          "  canhazgpu queue --all       every host\n"
          "  canhazgpu queue --json",
      .options = joined({{"-j,--json", "", "Print JSON", "queue.json"}}, remote_options("queue")),
      .execute = execute_queue};
}

}  // namespace chg
