#include "app/events.h"

#include <algorithm>

#include "base/duration_text.h"
#include "cli/command.h"
#include "cli/many_hosts.h"
#include "core/gpu_ids.h"
#include "render/events.h"

namespace chg {
namespace {

constexpr const char* kSinceDefault = "1d";

int execute_events(Session& session, const Arguments& arguments) {
  const bool is_json = arguments.has("json");
  const Style style = session.style();
  const Duration past = parse_duration(arguments.value("since").value_or(kSinceDefault));
  const WallTime from = session.context().now().wall - past;
  const auto ids = arguments.value("gpu-ids");
  const std::vector<int> gpus = ids ? parse_gpu_ids(*ids) : std::vector<int>{};
  const auto is_wanted = [&](const Event& event) {
    return gpus.empty() || std::find_first_of(event.gpus.begin(), event.gpus.end(), gpus.begin(),
                                              gpus.end()) != event.gpus.end();
  };
  const auto show = [&](const std::vector<Event>& events) {
    std::string text;
    for (const Event& event : events) {
      if (is_wanted(event)) text += is_json ? event_json(event) : event_line(event, style);
    }
    print(text);
  };
  mention_elsewhere(session, host_of_events(session.context()));
  if (!arguments.has("follow")) {
    read_events(session.context(), from, show);
    return 0;
  }
  follow_events(session.context(), from, show, [&](const Error& error) {
    session.say(std::string("trying again: ") + error.what());
  });
}

}  // namespace

Command events_command() {
  return {.name = "events",
          .help = "Show what has happened: who got, gave back, cancelled or changed what",
          .examples =
              "  canhazgpu events --since 7d\n"
              "  canhazgpu events --follow              and whatever happens from now on\n"
              "  canhazgpu events --gpu-ids 3 --since 30d\n"
              "  canhazgpu events --follow --json       one JSON object a line",
          .options = {{"--since", "D", "How far back (1d)"},
                      {"-f,--follow", "", "Go on with what happens from now on"},
                      {"-G,--gpu-ids", "IDS", "Only what concerns these GPUs: 1,3 or 0-3"},
                      {"-j,--json", "", "Print one JSON object a line"}},
          .execute = execute_events};
}

}  // namespace chg
