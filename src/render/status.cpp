#include "render/status.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/duration_text.h"
#include "render/gpu_phrases.h"
#include "render/outside_text.h"
#include "render/processes.h"
#include "render/words.h"

namespace chg {
namespace {

constexpr char kAlsoUsed[] = "ALSO USED WITHOUT RESERVATION";

std::string by_whom(const GpuOverview& gpu, const Instant& now) {
  if (gpu.reservation) {
    return fmt::format("by {} for {}",
                       shown_owner(gpu.reservation->account, gpu.reservation->label),
                       to_hms(age(gpu.reservation->started, now)));
  }
  return gpu.status == GpuStatus::Unreserved ? unreserved_use(gpu) : "";
}

std::string foreign_use(const GpuOverview& gpu, const Style& style) {
  if (gpu.foreign.empty()) return "";
  return painted(kAlsoUsed, Color::Red, style) + " " + use_text(foreign_use_of(gpu));
}

std::string enclosed(char left, const std::string& text, char right) {
  return text.empty() ? "" : left + text + right;
}

std::string status_line(const GpuOverview& gpu, const Instant& now, const Style& style) {
  std::string line = fmt::format("GPU {}: {}", gpu.gpu.index,
                                 painted(status_word(gpu.status), status_color(gpu.status), style));
  const auto add = [&](const std::string& part) {
    if (!part.empty()) line += " " + part;
  };
  add(by_whom(gpu, now));
  add(enclosed('(', parenthesis(gpu, now), ')'));
  add(enclosed('[', validation(gpu), ']'));
  add(leftovers(gpu));
  add(foreign_use(gpu, style));
  add(lost_by(gpu));
  add(held_for(gpu));
  add(draining(gpu));
  if (gpu.reservation) add(enclosed('"', shown_note(gpu.reservation->note), '"'));
  return line + "\n";
}

// "8x NVIDIA H100 80GB HBM3", each model once, in the order of the GPUs.
std::string models(const std::vector<GpuOverview>& gpus) {
  std::vector<std::pair<std::string, int>> counts;
  for (const GpuOverview& gpu : gpus) {
    const std::string model = gpu_model(gpu).empty() ? "unknown model" : shown_name(gpu_model(gpu));
    const auto known = std::find_if(counts.begin(), counts.end(),
                                    [&](const auto& entry) { return entry.first == model; });
    if (known == counts.end()) {
      counts.emplace_back(model, 1);
    } else {
      ++known->second;
    }
  }
  std::vector<std::string> texts;
  for (const auto& [model, count] : counts) texts.push_back(fmt::format("{}x {}", count, model));
  return fmt::format("{}", fmt::join(texts, ", "));
}

std::string validation_of(const Overview& overview) {
  if (overview.probe_failure.empty()) return "";
  if (!overview.observed) return " [not validated]";
  return fmt::format(" [validated {} ago]", to_hms(age(*overview.observed, overview.now)));
}

}  // namespace

std::string status_lines(const Overview& overview, const Style& style) {
  std::string text;
  for (const GpuOverview& gpu : overview.gpus) text += status_line(gpu, overview.now, style);
  return text;
}

std::string status_summary(const Overview& overview) {
  const auto& gpus = overview.gpus;
  const auto count = [&](const auto& question) {
    return std::count_if(gpus.begin(), gpus.end(), question);
  };
  const auto count_of = [&](GpuStatus status) {
    return count([&](const GpuOverview& gpu) { return gpu.status == status; });
  };
  // Only where there is something to say: "5 available (2 held)".
  const auto unless_zero = [](auto number, const char* format) {
    return number == 0 ? "" : fmt::format(fmt::runtime(format), number);
  };
  const auto held = count([](const GpuOverview& gpu) {
    return gpu.status == GpuStatus::Available && !gpu.held_for.empty();
  });
  const auto foreign = count([](const GpuOverview& gpu) { return !gpu.foreign.empty(); });
  return fmt::format(
      "{}{}: {} available{}, {} in use{}, {} in use without reservation, {} in error{}; {} "
      "waiting{}\n",
      gpu_count(static_cast<int>(gpus.size())), gpus.empty() ? "" : " (" + models(gpus) + ")",
      count_of(GpuStatus::Available), unless_zero(held, " ({} held)"), count_of(GpuStatus::InUse),
      unless_zero(foreign, " ({} also used without reservation)"), count_of(GpuStatus::Unreserved),
      count_of(GpuStatus::Error),
      unless_zero(count_of(GpuStatus::OutOfService), ", {} out of service"),
      overview.waiting.size(), validation_of(overview));
}

}  // namespace chg
