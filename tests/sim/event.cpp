#include "sim/event.h"

#include <array>

#include <fmt/format.h>

#include "core/gpu_ids.h"

namespace chg::sim {
namespace {

constexpr std::array kNames = {
    "arrive",   "step",       "supervise", "interrupt", "spawn",  "intrude",     "kill",
    "kill-job", "stop",       "continue",  "break",     "mend",   "break-probe", "mend-probe",
    "reboot",   "step-clock", "drain",     "undrain",   "cancel", "release",     "extend",
    "clear",    "save",       "lose",      "report",    "settle"};

void add_flags(std::string& text, const Flags& flags) {
  const auto add = [&](bool is_set, const char* name) {
    if (is_set) text += std::string(" ") + name;
  };
  add(flags.force, "force");
  add(flags.nonblock, "nonblock");
  add(flags.views, "views");
  add(flags.labelled, "labelled");
  add(flags.admin, "admin");
  add(flags.runs, "runs");
  add(flags.uses_gpus, "uses-gpus");
  add(flags.hides_environment, "hides-environment");
  add(flags.hides_memory, "hides-memory");
  add(flags.hides_owner, "hides-owner");
  add(flags.is_ignored, "ignored");
}

}  // namespace

std::string to_text(const Event& event) {
  const Event plain;
  std::string text =
      fmt::format("+{}ms {}", event.after_ms, kNames.at(static_cast<std::size_t>(event.what)));
  if (event.what == What::Arrive) {
    text += event.kind == ReservationKind::Run ? " run" : " manual";
    text += fmt::format(" count {}", event.count);
  }
  const auto add = [&](const char* name, std::int64_t value, std::int64_t usual) {
    if (value != usual) text += fmt::format(" {} {}", name, value);
  };
  add("number", event.number, plain.number);
  add("who", event.who, plain.who);
  add("uid", event.uid, plain.uid);
  add("choice", event.choice, plain.choice);
  add("space", event.space, plain.space);
  add("by_ms", event.by_ms, plain.by_ms);
  add("memory_mib", event.memory_mib, plain.memory_mib);
  add("leftovers", static_cast<int>(event.leftovers), static_cast<int>(plain.leftovers));
  if (!event.gpus.empty()) text += " gpus " + to_id_list(event.gpus);
  add_flags(text, event.flags);
  return text;
}

std::string to_text(const Setup& setup) {
  return fmt::format("{} GPUs, {}", setup.gpus,
                     setup.policy == AllocationPolicy::LeastRecentlyUsed ? "lru" : "mru-per-user");
}

}  // namespace chg::sim
