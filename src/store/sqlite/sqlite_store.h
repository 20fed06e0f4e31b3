// The embedded store: one SQLite file that all users of the host share.
//
//   pool.db         the pool and its history (schema.sql), in WAL mode
//   pool.db-lock    who holds its flock may write
//   pool.db-wal, -shm  SQLite's log and its index
//   pool.db-standby the log of those who find these two deleted and may not make them
//   pool.db-bells/  FIFOs that wake waiters (bells.h)
//   pool.db-reading what the GPUs showed last: the probes' (probe/shared_probe.h), kept here for
//                   the rights and the life of the rest
//
// All of it is made by `create` with the modes of its sharing; others need to write these files,
// but not the directory, so nobody can take them away.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "store/store.h"

namespace chg {

/// Opens the store at `path`. Throws Error: Failed with the hint to run `canhazgpu admin` when
/// there is none; NotPermitted when the caller may not write it; Failed when it is damaged, no
/// store of ours, or of a newer version. An older version is brought up to date.
std::unique_ptr<Store> open_sqlite_store(const std::string& path);

/// Opens the store at `path`, and makes it, with its directory, where it is missing. Gives the
/// files the modes of `sharing` if that is given or the store is new.
std::unique_ptr<Store> create_sqlite_store(const std::string& path,
                                           const std::optional<Sharing>& sharing);

/// Writes a pool and its history into a new file that only the caller may read: a store without any
/// file beside it, synced and checked.
void write_sqlite_backup(const std::string& path, const Pool& pool, EventReader& events);

/// Opens such a file, or a copy of a store's one file, to be read only, after all of it was
/// checked.
std::unique_ptr<Store> open_sqlite_backup(const std::string& path);

}  // namespace chg
