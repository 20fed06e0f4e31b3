// Lists of GPUs as people write them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace chg {

/// Reads "1,3", "0-3", " 0, 2-4 ". Returns the ids in ascending order. Throws Error(Usage) for
/// anything else, and for a repeated id.
std::vector<int> parse_gpu_ids(std::string_view text);

/// "0,2,3": what CUDA_VISIBLE_DEVICES and scripts want.
std::string to_id_list(const std::vector<int>& ids);

/// "GPU 3", "GPUs 0-2 and 5": what people want. `ids` ascending.
std::string to_gpu_names(const std::vector<int>& ids);

}  // namespace chg
