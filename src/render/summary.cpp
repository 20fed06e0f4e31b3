#include "render/summary.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/duration_text.h"
#include "render/gpu_phrases.h"
#include "render/json_output.h"
#include "render/outside_text.h"
#include "render/words.h"

namespace chg {
namespace {

// In the order of GpuStatus.
constexpr int Summary::*kCounts[] = {&Summary::available,      &Summary::in_use,
                                     &Summary::unreserved,     &Summary::in_error,
                                     &Summary::out_of_service, &Summary::not_reserved};

void count_model(Summary& summary, const std::string& model) {
  auto& models = summary.models;
  const auto known = std::find_if(models.begin(), models.end(),
                                  [&](const auto& entry) { return entry.first == model; });
  if (known == models.end()) {
    models.emplace_back(model, 1);
  } else {
    ++known->second;
  }
}

// "8x NVIDIA H100 80GB HBM3"
std::string models_text(const Summary& summary) {
  std::vector<std::string> texts;
  for (const auto& [model, number] : summary.models) {
    texts.push_back(
        fmt::format("{}x {}", number, model.empty() ? "unknown model" : shown_name(model)));
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

// Nothing for 0: "5 available", "5 available (2 held)".
std::string unless_zero(int number, const char* format) {
  return number == 0 ? "" : fmt::format(fmt::runtime(format), number);
}

std::string validation_of(const Overview& overview) {
  if (overview.probe_failure.empty() && overview.elsewhere.empty()) return "";
  if (!overview.observed) return "not validated";
  return fmt::format("validated {} ago", to_hms(age(*overview.observed, overview.now)));
}

}  // namespace

void count(Summary& summary, GpuStatus status, const std::string& model, bool is_held,
           bool is_also_used) {
  ++summary.total;
  count_model(summary, model);
  ++(summary.*kCounts[static_cast<std::size_t>(status)]);
  if (status == GpuStatus::Available && is_held) ++summary.held;
  if (is_also_used) ++summary.also_used;
}

Summary summary_of(const Overview& overview) {
  Summary summary;
  for (const GpuOverview& gpu : overview.gpus) {
    count(summary, gpu.status, gpu_model(gpu), !gpu.held_for.empty(), !gpu.foreign.empty());
  }
  summary.waiting = static_cast<int>(overview.waiting.size());
  summary.validation = validation_of(overview);
  return summary;
}

std::string summary_line(const Summary& summary) {
  return fmt::format(
      "{}{}: {} available{}, {} in use{}, {} in use without reservation, {} in error{}{}; {} "
      "waiting{}\n",
      count_of(summary.total, "GPU"),
      summary.models.empty() ? "" : " (" + models_text(summary) + ")", summary.available,
      unless_zero(summary.held, " ({} held)"), summary.in_use,
      unless_zero(summary.also_used, " ({} also used without reservation)"), summary.unreserved,
      summary.in_error, unless_zero(summary.out_of_service, ", {} out of service"),
      unless_zero(summary.not_reserved, ", {} not reserved"),
      summary.waiting ? fmt::to_string(*summary.waiting) : "unknown number",
      summary.validation.empty() ? "" : " [" + shown_note(summary.validation) + "]");
}

std::string summary_json(const Summary& summary) {
  Json object;
  for (const auto& [key, number] : kSummaryCounts) object[key] = summary.*number;
  object["models"] = Json::array();
  for (const auto& [model, number] : summary.models) {
    Json entry;
    entry["gpu_model"] = model;
    entry["count"] = number;
    object["models"].push_back(entry);
  }
  if (summary.waiting) object["waiting"] = *summary.waiting;
  if (!summary.validation.empty()) object["validation"] = summary.validation;
  return json_text(object);
}

}  // namespace chg
