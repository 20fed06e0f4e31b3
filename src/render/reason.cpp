#include "render/reason.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/gpu_ids.h"
#include "render/outside_text.h"
#include "render/words.h"

namespace chg {
namespace {

constexpr std::size_t kBlockersListed = 4;

std::string in_parentheses(const std::string& text) {
  return text.empty() ? "" : fmt::format(" ({})", shown_note(text));
}

std::string by_whom(const Blocker& blocker, bool to_waiter) {
  const std::string who = shown_display_name(blocker.who);
  switch (blocker.kind) {
    case Blocker::Kind::Reserved:
      return "reserved by " + (to_waiter && blocker.is_own ? "you" : who);
    case Blocker::Kind::Held:
      return who.empty() ? "held for another" : "held for " + who;
    // `who` is the obstacle's text: "by bob".
    case Blocker::Kind::UnreservedUse:
      return "in unreserved use" + (who.empty() ? "" : " " + who);
    case Blocker::Kind::Error:
      return "in error" + in_parentheses(blocker.who);
    case Blocker::Kind::OutOfService:
      return "out of service" + in_parentheses(blocker.who);
    case Blocker::Kind::Invisible:
      return "invisible to the waiter";
    case Blocker::Kind::Avoided:
      return "in use by the waiter's own memory thresholds";
  }
  return "";
}

std::string phrase(const Blocker& blocker, WallTime now, bool to_waiter) {
  const std::string whose = by_whom(blocker, to_waiter);
  if (!blocker.until) return whose;
  return fmt::format("{} until {}", whose, to_local_text(*blocker.until, now));
}

std::string listed(const std::vector<Blocker>& blockers, WallTime now, bool to_waiter) {
  std::vector<std::string> phrases;
  std::size_t more = 0;
  for (const Blocker& blocker : blockers) {
    if (phrases.size() < kBlockersListed) {
      phrases.push_back(
          fmt::format("{} {}", to_gpu_names(blocker.gpus), phrase(blocker, now, to_waiter)));
    } else {
      more += blocker.gpus.size();
    }
  }
  const std::string text = fmt::format("{}", fmt::join(phrases, ", "));
  if (more == 0) return text;
  return fmt::format("{} and {}", text, count_of(static_cast<std::int64_t>(more), "more GPU"));
}

std::string wanted(const Reason& reason) {
  const std::string inside =
      reason.within.empty() ? "" : " inside reservation " + shown_name(reason.within);
  if (!reason.named.empty()) return to_gpu_names(reason.named) + inside;
  const std::string available =
      reason.available == 0 ? "none" : fmt::format("{}", reason.available);
  return fmt::format("{}{}, {} available", count_of(reason.asked, "GPU"), inside, available);
}

}  // namespace

std::string sentence(const Reason& reason, WallTime now, bool to_waiter) {
  if (reason.passed_over)
    return "granted, but not taken: its process is stopped or does not answer";
  if (reason.limit) {
    return fmt::format(
        "waiting for {}: you may have {} at once here, and have or wait for {}",
        reason.named.empty() ? count_of(reason.asked, "GPU") : to_gpu_names(reason.named),
        reason.limit->allowed, reason.limit->taken);
  }
  const std::string start = "waiting for " + wanted(reason);
  const auto& blockers = reason.blockers;
  if (blockers.empty()) return start;
  // The names are not repeated if all named GPUs have the same reason.
  if (blockers.size() == 1 && blockers.front().gpus == reason.named) {
    return fmt::format("{}, {}", start, phrase(blockers.front(), now, to_waiter));
  }
  return fmt::format("{}: {}", start, listed(blockers, now, to_waiter));
}

std::string instead(const Reason& reason) {
  if (!reason.fits_in_own) return "";
  return fmt::format("run in what you have reserved: canhazgpu run --mine --gpus {} -- COMMAND",
                     reason.asked);
}

std::string estimate_text(const std::optional<WallTime>& start, WallTime now) {
  if (!start) return "start unknown";
  // An overdue job (in its grace period) may end at any moment; a time in the past would mislead.
  if (*start <= now) return "estimated start now";
  return "estimated start " + to_local_text(*start, now);
}

std::string waiting_line(const Decision& decision, WallTime now) {
  return fmt::format("{} in queue, {}; {}", ordinal(decision.position),
                     sentence(decision.reason, now, true),
                     estimate_text(decision.estimated_start, now));
}

}  // namespace chg
