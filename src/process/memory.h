// The memory of a process that waits for long.
#pragma once

namespace chg {

/// Gives back what a wait needs no more: unused heap, and the pages of the program and its
/// libraries that were only read. Those that are needed again come from the page cache.
void give_memory_back();

}  // namespace chg
