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
    "policy",   "clear",      "save",      "lose",      "report", "settle"};

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
  add(flags.inside, "inside");
  add(flags.mine, "mine");
}

void add_place(std::string& text, const Place& place) {
  if (place.is_in_own_time) text += " own-time";
  if (place.sees_foreign_proc) text += " foreign-proc";
  if (place.is_hidden_from) text += " hidepid";
  if (place.has_own_boot) text += " own-boot";
  if (place.is_partial) text += " partial";
}

// One of `count` values, and the rest of the choice.
int take(int& choice, int count) {
  const int taken = choice % count;
  choice /= count;
  return taken;
}

std::vector<Limits> limits_of(int choice) {
  using std::chrono::seconds;
  std::vector<Limits> limits;
  if (choice == 0) return limits;
  Limits& all = limits.emplace_back();
  all.gpus = choice;
  if (choice == 1) return limits;
  all.duration = seconds(200 * choice);
  all.timeout = seconds(100 * choice);
  all.requests = choice - 1;
  Limits& one = limits.emplace_back();
  one.subject = "user.u1000";
  one.gpus = 1;
  one.duration = seconds(100);
  return limits;
}

}  // namespace

Policy policy_of(int choice) {
  using std::chrono::seconds;
  Policy policy;
  if (take(choice, 2) == 1) policy.allocation = AllocationPolicy::MostRecentlyPerUser;
  const int heartbeat = take(choice, 3);
  if (heartbeat == 1)
    policy.heartbeat_interval = seconds(10), policy.heartbeat_timeout = seconds(40);
  if (heartbeat == 2)
    policy.heartbeat_interval = seconds(120), policy.heartbeat_timeout = seconds(900);
  const int threshold = take(choice, 3);
  if (threshold == 1) policy.process_threshold_mib = 40, policy.memory_threshold_mib = 50;
  if (threshold == 2) policy.process_threshold_mib = policy.memory_threshold_mib = 2'000;
  if (take(choice, 3) == 1) policy.default_timeout = seconds(150);
  policy.limits = limits_of(take(choice, 5));
  return policy;
}

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
  add("space", event.place.space, plain.place.space);
  add("ahead_s", std::chrono::floor<std::chrono::seconds>(event.place.ahead).count(), 0);
  add("by_ms", event.by_ms, plain.by_ms);
  add("memory_mib", event.memory_mib, plain.memory_mib);
  add("leftovers", static_cast<int>(event.leftovers), static_cast<int>(plain.leftovers));
  if (!event.gpus.empty()) text += " gpus " + to_id_list(event.gpus);
  if (!event.place.unseen.empty()) text += " unseen " + to_id_list(event.place.unseen);
  add_flags(text, event.flags);
  add_place(text, event.place);
  return text;
}

std::string to_text(const Setup& setup) {
  return fmt::format("{} GPUs, {}", setup.gpus,
                     setup.policy == AllocationPolicy::LeastRecentlyUsed ? "lru" : "mru-per-user");
}

}  // namespace chg::sim
