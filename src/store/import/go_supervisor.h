// The processes of the Go program that answer for its runs. Its keys don't say which process a run
// is; the command line of its supervisor does. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace chg {

/// The word by which such a command line is found.
inline constexpr const char* kGoSupervisorWord = "supervisor";

struct GoSupervisor {
  std::vector<int> gpus;  ///< ascending
  std::string user;       ///< as in the keys: who is shown, or the account
  int pid = 0;            ///< of the command that the run lives by
};

/// Reads "canhazgpu supervisor --gpus 0,1 --user alice --pid 1234", in words; missing for any other
/// command line.
std::optional<GoSupervisor> read_go_supervisor(const std::vector<std::string>& words);

}  // namespace chg
