// Who waits, for what, why, until when.
#pragma once

#include <string>

#include "core/overview.h"
#include "render/style.h"

namespace chg {

/// One row for each waiting request, within style.columns; "nobody waits".
std::string queue_text(const QueueOverview& queue, const Style& style);

/// The object that docs/schema/queue.schema.json describes.
std::string queue_json(const QueueOverview& queue);

}  // namespace chg
