// Reading: is it what it should be?
#include <algorithm>

#include "base/error.h"
#include "render/gpu_phrases.h"
#include "render/remote.h"

namespace chg {
namespace {

// Our deepest is array, GPU, processes, process, container; and our largest object has some forty
// keys. Ten times as much is not of any version of ours, and could take long to read or write.
constexpr int kDepthMax = 16;
constexpr std::size_t kKeysMax = 400;
constexpr std::size_t kGpusMax = 10'000;

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorKind::Failed, "it answered with something else than the JSON of " + what,
              "is its canhazgpu the one that you know? its shell's start-up files must print "
              "nothing");
}

Json parse(const std::string& text, const std::string& what) {
  std::vector<std::size_t> keys(kDepthMax + 2, 0);
  const auto check = [&](int depth, Json::parse_event_t event, Json& /*parsed*/) {
    if (depth > kDepthMax) refuse(what);
    const auto level = static_cast<std::size_t>(depth);
    if (event == Json::parse_event_t::object_start) keys[level + 1] = 0;
    if (event == Json::parse_event_t::key && ++keys[level] > kKeysMax) refuse(what);
    return true;
  };
  try {
    return Json::parse(text, check);
  } catch (const Json::exception&) {
    refuse(what);
  }
}

bool is_small_number(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() && *found >= 0 && *found <= 1'000'000;
}

bool is_gpu(const Json& value) {
  if (!value.is_object() || !is_small_number(value, "gpu_id")) return false;
  const auto status = value.find("status");
  return status != value.end() && status->is_string() &&
         read_status_key(status->get<std::string>());
}

bool are_gpus(const Json& document) {
  return document.is_array() && document.size() <= kGpusMax &&
         std::all_of(document.begin(), document.end(), is_gpu);
}

bool is_array_of_objects(const Json& document, const char* key) {
  const auto found = document.find(key);
  return found != document.end() && found->is_array() &&
         std::all_of(found->begin(), found->end(), [](const Json& one) { return one.is_object(); });
}

}  // namespace

Json read_remote_status(const std::string& text) {
  Json document = parse(text, "'status'");
  if (!are_gpus(document)) refuse("'status'");
  return document;
}

Json read_remote_queue(const std::string& text) {
  Json document = parse(text, "'queue'");
  if (!document.is_object() || !is_array_of_objects(document, "entries")) refuse("'queue'");
  return document;
}

Json read_remote_report(const std::string& text) {
  Json document = parse(text, "'report'");
  const bool has_rows = document.is_object() && (is_array_of_objects(document, "users") ||
                                                 is_array_of_objects(document, "gpus") ||
                                                 is_array_of_objects(document, "dates"));
  if (!has_rows) refuse("'report'");
  return document;
}

Summary read_remote_summary(const std::string& text) {
  const Json document = parse(text, "'status --summary'");
  if (document.is_object()) return read_summary(document);
  if (!are_gpus(document)) refuse("'status --summary'");
  Summary summary;
  for (const Json& gpu : document) {
    const auto model = gpu.find("gpu_model");
    const bool named = model != gpu.end() && model->is_string();
    count(summary, *read_status_key(gpu["status"]), named ? model->get<std::string>() : "",
          gpu.contains("held_for"), gpu.contains("foreign"));
  }
  return summary;
}

}  // namespace chg
