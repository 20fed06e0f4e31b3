#include <fmt/format.h>

#include "app/release.h"
#include "cli/command.h"

namespace chg {
namespace {

int execute(Session& session, const Arguments& arguments) {
  const std::string id = arguments.value("ID").value_or("");
  print(fmt::format("cancelled {}\n", cancel_request(session.context(), id).id));
  return 0;
}

}  // namespace

Command cancel_command() {
  Command command;
  command.name = "cancel";
  command.help = "Take a waiting request out of the queue";
  command.examples =
      "  canhazgpu queue             shows the ids\n"
      "  canhazgpu cancel 7k2m9xqa   the beginning of an id is enough";
  command.operands = {{"ID", "The request"}};
  command.execute = execute;
  return command;
}

}  // namespace chg
