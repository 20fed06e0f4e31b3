#include <fmt/format.h>

#include "app/release.h"
#include "cli/command.h"

namespace chg {
namespace {

int execute_cancel(Session& session, const Arguments& arguments) {
  const std::string id = arguments.value("ID").value_or("");
  print(fmt::format("cancelled {}\n", cancel_request(session.context(), id).id),
        kOutputHintOfChange);
  return 0;
}

}  // namespace

Command cancel_command() {
  return {.name = "cancel",
          .help = "Take a waiting request out of the queue",
          .examples =
              "  canhazgpu queue             shows the ids\n"
              "  canhazgpu cancel 7k2m9xqa   the beginning of an id is enough",
          .operands = {{"ID", "The request"}},
          .execute = execute_cancel};
}

}  // namespace chg
