// The reader of YAML, in a file of its own that alone includes its library. It reports what `text`
// holds to the collector, and refuses through it what it cannot parse. An empty text (or one of
// comments) holds nothing.
#pragma once

#include <string>

#include "config/entries.h"

namespace chg {

/// One document of YAML, and so of JSON; no aliases, because they let a small file stand for a huge
/// one.
void read_yaml(const std::string& text, EntryCollector& collector);

}  // namespace chg
