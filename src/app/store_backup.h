// store backup and store restore: the pool and its history in one file.
#pragma once

#include <string>

#include "app/context.h"

namespace chg {

struct StoreBackup {
  Pool pool;
  std::size_t records = 0;  ///< usage records
};

/// Writes the pool, as it was at one moment, and its history into a file that only the caller may
/// read. The history has no end of what is reserved in that pool. The file is written under another
/// name, checked, and then renamed. Throws Error(Failed) where the file is there already, unless
/// `overwrite`.
StoreBackup back_up_store(Context& context, const std::string& file, bool overwrite);

struct StoreRestore {
  Pool pool;                     ///< as it is now
  std::size_t records = 0;       ///< usage records that the store lacked
  std::size_t reservations = 0;  ///< that the store lacked, and that are not over
};

/// Brings GPUs, settings, history and reservations back from a backup, into a store that has no
/// pool, or whose reservations are all in the backup; Throws Error(Failed) where it has others, and
/// changes nothing. A run whose command has ended, a reservation that has expired, and one that has
/// ended since by the history of the store, do not come back. Those that the store has, and the
/// queue, stay as they are there. Throws Error: NotPermitted for those who may not set the pool up;
/// Failed for a file that is no backup, damaged, or of another host.
StoreRestore restore_store(Context& context, const std::string& file);

}  // namespace chg
