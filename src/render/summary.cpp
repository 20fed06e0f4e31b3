#include "render/summary.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/duration_text.h"
#include "base/error.h"
#include "render/gpu_phrases.h"
#include "render/outside_text.h"
#include "render/words.h"

namespace chg {
namespace {

void add_model(Summary& summary, const std::string& model, int number) {
  auto& models = summary.models;
  const auto known = std::find_if(models.begin(), models.end(),
                                  [&](const auto& entry) { return entry.first == model; });
  if (known == models.end()) {
    models.emplace_back(model, number);
  } else {
    known->second += number;
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

// Only where there is something to say: "5 available (2 held)".
std::string unless_zero(int number, const char* format) {
  return number == 0 ? "" : fmt::format(fmt::runtime(format), number);
}

std::string validation_of(const Overview& overview) {
  if (overview.probe_failure.empty() && overview.elsewhere.empty()) return "";
  if (!overview.observed) return "not validated";
  return fmt::format("validated {} ago", to_hms(age(*overview.observed, overview.now)));
}

// The counts of the object, by their keys.
struct Count {
  const char* key;
  int Summary::*number;
};
constexpr Count kCounts[] = {
    {"total", &Summary::total},         {"available", &Summary::available},
    {"held", &Summary::held},           {"in_use", &Summary::in_use},
    {"also_used", &Summary::also_used}, {"unreserved", &Summary::unreserved},
    {"in_error", &Summary::in_error},   {"out_of_service", &Summary::out_of_service}};

int small_number(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return 0;
  constexpr int kMax = 1'000'000;
  if (!found->is_number_integer() || *found < 0 || *found > kMax) {
    throw Error(ErrorKind::Failed, fmt::format("'{}' is no number of GPUs", key));
  }
  return found->get<int>();
}

}  // namespace

void count(Summary& summary, GpuStatus status, const std::string& model, bool is_held,
           bool is_also_used) {
  ++summary.total;
  add_model(summary, model, 1);
  switch (status) {
    case GpuStatus::Available:
      ++summary.available;
      if (is_held) ++summary.held;
      break;
    case GpuStatus::InUse:
      ++summary.in_use;
      break;
    case GpuStatus::Unreserved:
      ++summary.unreserved;
      break;
    case GpuStatus::Error:
      ++summary.in_error;
      break;
    case GpuStatus::OutOfService:
      ++summary.out_of_service;
      break;
  }
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
      "{}{}: {} available{}, {} in use{}, {} in use without reservation, {} in error{}; {} "
      "waiting{}",
      gpu_count(summary.total), summary.models.empty() ? "" : " (" + models_text(summary) + ")",
      summary.available, unless_zero(summary.held, " ({} held)"), summary.in_use,
      unless_zero(summary.also_used, " ({} also used without reservation)"), summary.unreserved,
      summary.in_error, unless_zero(summary.out_of_service, ", {} out of service"),
      summary.waiting ? fmt::to_string(*summary.waiting) : "unknown number",
      summary.validation.empty() ? "" : " [" + shown_note(summary.validation) + "]");
}

Json summary_object(const Summary& summary) {
  Json object;
  for (const auto& [key, number] : kCounts) object[key] = summary.*number;
  object["models"] = Json::array();
  for (const auto& [model, number] : summary.models) {
    Json entry;
    entry["gpu_model"] = model;
    entry["count"] = number;
    object["models"].push_back(entry);
  }
  if (summary.waiting) object["waiting"] = *summary.waiting;
  if (!summary.validation.empty()) object["validation"] = summary.validation;
  return object;
}

Summary read_summary(const Json& object) {
  if (!object.is_object() || !object.contains("total")) {
    throw Error(ErrorKind::Failed, "that is no summary of a host");
  }
  Summary summary;
  for (const auto& [key, number] : kCounts) summary.*number = small_number(object, key);
  if (object.contains("waiting")) summary.waiting = small_number(object, "waiting");
  const Json models = object.value("models", Json::array());
  for (const Json& entry : models.is_array() ? models : Json::array()) {
    const bool named = entry.is_object() && entry.contains("gpu_model") &&
                       entry["gpu_model"].is_string() && summary.models.size() < 20;
    if (named) add_model(summary, entry["gpu_model"], small_number(entry, "count"));
  }
  const auto validation = object.find("validation");
  if (validation != object.end() && validation->is_string()) summary.validation = *validation;
  return summary;
}

}  // namespace chg
