// Events, for people and for programs.
#pragma once

#include <string>

#include "core/events.h"
#include "render/style.h"

namespace chg {

/// One line: when, what, the request's id, whose it is, and the rest. Who did it is named where it
/// was not the owner.
std::string event_line(const Event& event, const Style& style);

/// One line with the object that docs/schema/event.schema.json describes.
std::string event_json(const Event& event);

}  // namespace chg
