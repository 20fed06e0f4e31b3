// What a store needs of the file system that it lies on.
#pragma once

#include <string>

namespace chg {

/// Whether it is mounted read-only, so that nobody can change the store.
bool is_read_only(const std::string& store);

/// Throws Error(Failed) with a hint where the file system cannot lock files, or map them into
/// memory that processes share: network file systems and those of virtual machines often can't.
/// Does nothing where that cannot be tried.
void require_able_file_system(const std::string& store);

/// Throws the transient error of a store that nobody can change.
[[noreturn]] void refuse_read_only(const std::string& store);

}  // namespace chg
