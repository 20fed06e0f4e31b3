// Moves a pool to another store.
#pragma once

#include <cstddef>

#include "app/context.h"

namespace chg {

struct StoreCopy {
  Pool pool;  ///< as it was written
  std::size_t events = 0;
  int live_runs = 0;  ///< copied, while their supervisors report to the old store alone
  int waiting = 0;    ///< requests that were not copied: who waits, waits in the old store
};

/// Copies pool and history, and then compares them value by value. `from` is only read. The pool
/// is written last, so that a copy that was interrupted is no pool yet; copying again goes on where
/// it ended.
///
/// A live run is copied with the identity of its command: its GPUs stay reserved in the copy until
/// that has ended, which anybody sees. One that can't be seen from here lives by heartbeats that
/// only the old store gets, and is refused.
///
/// Throws Error: NotPermitted for those who may not change the pool; Failed when there is no pool
/// to copy, when `to` has a pool or a history of its own, when a reservation can't be moved, or
/// when the copy differs. What was copied is taken away again then, unless `to` has a pool that was
/// not written here: somebody may have set one up meanwhile, or use the copy already.
StoreCopy copy_store(Context& from, Context& to);

}  // namespace chg
