#include "app/pool_changes.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace chg {

void require_grantable(const Pool& pool, std::size_t gpu_count, const std::string& hint) {
  const int count = static_cast<int>(gpu_count);
  for (const Request& request : pool.queue) {
    const bool has_all =
        request.count <= count && (request.gpu_ids.empty() || request.gpu_ids.back() < count);
    if (has_all) continue;
    throw Error(ErrorKind::Failed, "a waiting request asks for more GPUs than there would be",
                hint);
  }
}

void note_changes(const Pool& before, Pool& pool, const Caller& caller) {
  const bool same_gpus =
      std::equal(before.gpus.begin(), before.gpus.end(), pool.gpus.begin(), pool.gpus.end(),
                 [](const Gpu& a, const Gpu& b) { return a.index == b.index && a.uuid == b.uuid; });
  if (!same_gpus || before.provider != pool.provider || before.creator_uid != pool.creator_uid) {
    add_event(pool, EventKind::SetUp, caller.account).detail = fmt::format(
        "{} of {}", count_of(static_cast<std::int64_t>(pool.gpus.size()), "GPU"), pool.provider);
  }
  if (before.admin_group != pool.admin_group) {
    add_event(pool, EventKind::PolicyChanged, caller.account).detail =
        fmt::format("admin group: '{}'", printable(pool.admin_group, 60));
  }
  if (before.policy != pool.policy) {
    add_event(pool, EventKind::PolicyChanged, caller.account).detail = "policy of a backup";
  }
}

}  // namespace chg
