#include <fmt/format.h>

#include "app/release.h"
#include "base/duration_text.h"
#include "cli/command.h"
#include "core/gpu_ids.h"

namespace chg {
namespace {

int execute_extend(Session& session, const Arguments& arguments) {
  const Duration by = parse_duration(arguments.value("D").value_or(""));
  std::vector<int> gpu_ids;
  if (const auto ids = arguments.value("gpu-ids")) gpu_ids = parse_gpu_ids(*ids);
  const WallTime now = session.context().now().wall;
  std::string text;
  for (const Extended& one : extend_reservations(session.context(), gpu_ids, by)) {
    text += fmt::format("{} reserved until {}\n", to_gpu_names(one.gpus),
                        to_local_text(one.expires, now));
  }
  print(text, kOutputHintOfChange);
  return 0;
}

}  // namespace

Command extend_command() {
  return {.name = "extend",
          .help = "Lengthen your manual reservations",
          .examples =
              "  canhazgpu extend 1h\n"
              "  canhazgpu extend 30m --gpu-ids 2",
          .options = {{"-G,--gpu-ids", "IDS", "Only on these GPUs: 1,3 or 0-3"}},
          .operands = {{"D", "By how long: 90s, 30m, 2h, 1d"}},
          .execute = execute_extend};
}

}  // namespace chg
