// The readers of the file formats, each in a file of its own that alone includes its library.
// They report what `text` holds to the collector, and refuse through it what they can't parse. An
// empty text (or one of comments) holds nothing.
#pragma once

#include <string>

#include "config/entries.h"

namespace chg {

/// One document of YAML, and so of JSON; no aliases, because they let a small file stand for a huge
/// one.
void read_yaml(const std::string& text, EntryCollector& collector);

void read_toml(const std::string& text, EntryCollector& collector);

}  // namespace chg
