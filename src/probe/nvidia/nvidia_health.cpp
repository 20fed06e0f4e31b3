#include "probe/nvidia/nvidia_health.h"

#include <algorithm>
#include <iterator>
#include <string>

#include <fmt/format.h>

#include "base/text.h"

namespace chg {
namespace {

struct Recovery {
  unsigned action;         // of NVML
  std::string_view words;  // of nvidia-smi, in lower case
  const char* notice;
  bool needs_reset;
  const char* advice;  // {0} is the GPU's index
};

constexpr const char* kAdviceReset = "when it is free: sudo nvidia-smi --gpu-reset -i {0}";
constexpr const char* kAdviceReboot = "when the jobs on all GPUs have ended: sudo reboot";
constexpr const char* kAdviceLookUp = "see what it asks for: nvidia-smi -q -i {0}";

constexpr Recovery kRecoveries[] = {
    {1, "reset", "its driver asks for a reset", true, kAdviceReset},
    {2, "reboot", "its driver asks for a reboot of the host", true, kAdviceReboot},
    {3, "drain p2p", "its driver asks to end peer-to-peer traffic", false,
     "drain it (canhazgpu admin --drain {0}), and end the jobs that use it together with other "
     "GPUs"},
    {4, "drain and reset", "its driver asks to end all work on it, and for a reset", true,
     kAdviceReset},
    {5, "recover imex domain", "its driver asks to recover its IMEX domain", false,
     "restart IMEX on the hosts that share its NVLink: sudo systemctl restart nvidia-imex"},
    {6, "bus reset", "its driver asks for a reset of its bus", true, kAdviceReboot},
    {7, "system reboot", "its driver asks for a reboot of the host", true, kAdviceReboot}};

// What is known already is worse, or says the same.
void add_notice(GpuReading& reading, const std::string& notice, const char* advice) {
  if (!reading.notice.empty()) return;
  reading.notice = notice;
  reading.advice = fmt::format(fmt::runtime(advice), reading.index);
}

// The actions that are not in the table have names in words, or numbers.
template <typename Matches>
void note(GpuReading& reading, const std::string& name, Matches matches) {
  const auto* const known = std::find_if(std::begin(kRecoveries), std::end(kRecoveries), matches);
  if (known == std::end(kRecoveries)) {
    add_notice(reading, fmt::format("its driver asks for recovery ({})", name), kAdviceLookUp);
    const auto has = [&](const char* word) { return name.find(word) != std::string::npos; };
    reading.needs_reset = has("reset") || has("reboot");
    return;
  }
  add_notice(reading, known->notice, known->advice);
  reading.needs_reset = known->needs_reset;
}

}  // namespace

void note_recovery(GpuReading& reading, unsigned action) {
  if (action == 0) return;
  note(reading, fmt::format("action {}", action),
       [&](const Recovery& one) { return one.action == action; });
}

void note_recovery(GpuReading& reading, std::string_view action) {
  const std::string words = lower_case(action);
  const bool is_none = words.empty() || words == "none" || words == "n/a" || words.front() == '[';
  if (is_none) return;
  note(reading, words, [&](const Recovery& one) { return one.words == words; });
}

void note_faulty_memory(GpuReading& reading) {
  add_notice(reading, "faulty memory is replaced at its next reset",
             "drain it (canhazgpu admin --drain {0}), and when it is free: "
             "sudo nvidia-smi --gpu-reset -i {0}");
}

}  // namespace chg
