// The memory of a process that waits for long.
#pragma once

namespace chg {

/// Returns memory that a long wait does not need: unused heap, and clean pages of the program and
/// its libraries. The kernel reads them from the page cache again when they are used.
void give_memory_back();

}  // namespace chg
