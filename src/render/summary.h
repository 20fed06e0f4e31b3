// One line for a host, or one object.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/overview.h"
#include "render/json_text.h"

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
  std::optional<int> waiting;  ///< requests; missing where that was not told
  std::string validation;      ///< "not validated", "validated 0h 0m 30s ago"; "": it is of now
};

/// Counts one GPU. `model`: "" unknown.
void count(Summary& summary, GpuStatus status, const std::string& model, bool is_held,
           bool is_also_used);

Summary summary_of(const Overview& overview);

/// "8 GPUs (8x NVIDIA H100 80GB HBM3): 5 available, 2 in use, 1 in use without reservation, 0 in
/// error; 3 waiting". "(1 held)", "(1 also used without reservation)" and "1 out of service" are
/// said only where they apply, "[not validated]" where there are no readings. No newline.
std::string summary_line(const Summary& summary);

/// The object that docs/schema/summary.schema.json describes.
Json summary_object(const Summary& summary);

/// The reverse; what is missing is 0, and texts are cut. Throws Error(Failed) for no such object.
Summary read_summary(const Json& object);

}  // namespace chg
