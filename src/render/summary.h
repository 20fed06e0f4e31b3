// One line for a host, or one object.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/overview.h"

namespace chg {

/// What is counted of a host's GPUs.
struct Summary {
  int total = 0;
  std::vector<std::pair<std::string, int>> models;  ///< each once, raw, in the order of the GPUs
  int available = 0;
  int held = 0;  ///< of the available, for somebody who waits
  int in_use = 0;
  int also_used = 0;  ///< of those in use, by others too
  int unreserved = 0;
  int in_error = 0;
  int out_of_service = 0;
  int not_reserved = 0;        ///< and nobody can tell now whether they are in use
  std::optional<int> waiting;  ///< requests; nullopt: the host did not tell
  std::string validation;      ///< raw: "not validated", "validated 0h 0m 30s ago"; "": just now
};

/// The counts, by their keys in JSON.
struct SummaryCount {
  const char* key;
  int Summary::*number;
};
inline constexpr SummaryCount kSummaryCounts[] = {{"total", &Summary::total},
                                                  {"available", &Summary::available},
                                                  {"held", &Summary::held},
                                                  {"in_use", &Summary::in_use},
                                                  {"also_used", &Summary::also_used},
                                                  {"unreserved", &Summary::unreserved},
                                                  {"in_error", &Summary::in_error},
                                                  {"out_of_service", &Summary::out_of_service},
                                                  {"not_reserved", &Summary::not_reserved}};

/// Counts one GPU. `model`: "" unknown.
void count(Summary& summary, GpuStatus status, const std::string& model, bool is_held,
           bool is_also_used);

Summary summary_of(const Overview& overview);

/// "8 GPUs (8x NVIDIA H100 80GB HBM3): 5 available, 2 in use, 1 in use without reservation, 0 in
/// error; 3 waiting". "(1 held)", "(1 also used without reservation)", "1 out of service" and "1
/// not reserved" are said only where they apply, "[not validated]" where there are no readings.
/// Ends in a newline.
std::string summary_line(const Summary& summary);

/// The object that docs/schema/summary.schema.json describes.
std::string summary_json(const Summary& summary);

}  // namespace chg
