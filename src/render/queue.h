// Who waits, for what, why, until when.
#pragma once

#include <string>
#include <vector>

#include "core/overview.h"
#include "render/style.h"

namespace chg {

/// One waiting request, told by this host or by another's JSON (render/remote.h). Every text is
/// printable.
struct QueueRow {
  int position = 0;  ///< 1: the head of the queue
  std::string id;
  std::string user;
  std::string gpus;    ///< "any 2", "GPUs 1 and 3"
  std::string type;    ///< "RUN", "MANUAL"
  std::string waited;  ///< "0h 1m 0s"
  std::string reason;  ///< "waiting for GPU 3, reserved by alice until 14:20"
  std::string start;   ///< "14:20", "now", "unknown"
  std::string note;
};

std::vector<QueueRow> queue_rows(const QueueOverview& queue);

/// One line for each row below a line of titles, within style.columns; "nobody waits".
std::string queue_text(const std::vector<QueueRow>& rows, const Style& style);

/// The object that docs/schema/queue.schema.json describes.
std::string queue_json(const QueueOverview& queue);

/// "any 2", "GPUs 1 and 3": what a request asks for.
std::string wanted_gpus(int count, const std::vector<int>& gpu_ids);

}  // namespace chg
