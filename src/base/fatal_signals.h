// Signals by which the kernel would end this process without a word.
#pragma once

#include <string>

namespace chg {

/// From now on a write beyond the limit of a file's size (ulimit -f) fails with EFBIG, as any other
/// write may, where SIGXFSZ would end the process. What this process becomes by exec has the signal
/// as it was.
void survive_file_size_limit();

/// From now on a SIGBUS, as of a mapped file that somebody has truncated, prints this error and
/// hint and ends the process with the exit status of ErrorKind::Failed. In a child, and in what
/// this process becomes by exec, the signal is as it was.
void explain_sigbus(const std::string& message, const std::string& hint);

}  // namespace chg
