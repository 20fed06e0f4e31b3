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
};

constexpr Recovery kRecoveries[] = {
    {1, "reset", "its driver asks for a reset", true},
    {2, "reboot", "its driver asks for a reboot of the host", true},
    {3, "drain p2p", "its driver asks to end peer-to-peer traffic", false},
    {4, "drain and reset", "its driver asks to end all work on it, and for a reset", true},
    {5, "reset bus", "its driver asks for a reset of its bus", true}};

// What is known already is worse, or says the same.
void add_notice(GpuReading& reading, const std::string& notice) {
  if (reading.notice.empty()) reading.notice = notice;
}

template <typename Matches>
void note(GpuReading& reading, const std::string& name, Matches matches) {
  const auto* const known = std::find_if(std::begin(kRecoveries), std::end(kRecoveries), matches);
  if (known == std::end(kRecoveries)) {
    return add_notice(reading, fmt::format("its driver asks for recovery ({})", name));
  }
  add_notice(reading, known->notice);
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
  add_notice(reading, "faulty memory is replaced at its next reset");
}

}  // namespace chg
