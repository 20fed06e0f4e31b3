#include "cli/command.h"

namespace chg {

const std::vector<Command>& commands() {
  static const std::vector<Command> all = [] {
    std::vector<Command> made;
    for (const auto make : {status_command, run_command, reserve_command, extend_command,
                            release_command, queue_command, cancel_command, report_command,
                            events_command, admin_command, policy_command, store_command,
                            doctor_command, config_command, completion_command, complete_command}) {
      made.push_back(make());
    }
    return made;
  }();
  return all;
}

std::vector<Option> joined(std::vector<Option> options, const std::vector<Option>& more) {
  options.insert(options.end(), more.begin(), more.end());
  return options;
}

}  // namespace chg
