// The files of the embedded store (sqlite_store.h names them) and who may use them.
#pragma once

#include <string>

#include "store/store.h"

namespace chg {

/// Makes the directory and the files of the store at `path` where they are missing, and gives all
/// of them the mode and the group of `sharing`. Follows no link, and changes nothing that belongs
/// to another account. Root makes them only in a directory that nobody else can write, as its
/// parents are, and throws Error(NotPermitted) elsewhere: whoever can write it could put a link
/// there, or a journal that SQLite obeys.
void make_store_files(const std::string& path, const Sharing& sharing);

/// Whether all of them are there.
bool has_store_files(const std::string& path);

/// Who may use a file that is there.
Sharing sharing_of_file(const std::string& path);

}  // namespace chg
