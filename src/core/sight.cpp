#include "core/sight.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "core/gpu_ids.h"

namespace chg {

bool names(const Request& request, int gpu) {
  const auto& named = request.gpu_ids;
  return named.empty() || std::binary_search(named.begin(), named.end(), gpu);
}

bool sees(const Request& request, int gpu) {
  const auto& visible = request.visible;
  return !visible || std::binary_search(visible->begin(), visible->end(), gpu);
}

bool sees_enough(const Request& request) {
  if (!request.visible) return true;
  const auto& named = request.gpu_ids;
  if (named.empty()) return request.visible->size() >= static_cast<std::size_t>(request.count);
  return std::all_of(named.begin(), named.end(), [&](int gpu) { return sees(request, gpu); });
}

void require_visible(const Pool& pool, const Request& request) {
  if (sees_enough(request)) return;
  std::vector<int> unseen = request.gpu_ids;
  std::erase_if(unseen, [&](int gpu) { return sees(request, gpu); });
  const auto named = [](const std::vector<int>& gpus) {
    return fmt::format("GPU{} {}", gpus.size() == 1 ? "" : "s", to_id_list(gpus));
  };
  const std::string what =
      unseen.empty()
          ? fmt::format("{} can never be granted here: {} of {} can be seen",
                        count_of(request.count, "GPU"), request.visible->size(), pool.gpus.size())
          : named(unseen) + " cannot be seen from here";
  throw Error(ErrorKind::Usage, what,
              fmt::format("from here {} can be seen: a container, a control group or the rights of "
                          "this account may hide the others",
                          request.visible->empty() ? "no GPU" : "only " + named(*request.visible)));
}

}  // namespace chg
