#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace chg {

/// /proc/PID/stat, as far as it matters here.
struct ProcessStat {
  int pid = 0;
  std::string name;  ///< the kernel's: 15 bytes at most
  char state = '?';  ///< the letter of proc(5)
  int parent = 0;
  int session = 0;
  std::uint64_t start_ticks = 0;  ///< clock ticks after boot
};

/// Reads the text of the file. nullopt when it is none, or breaks off before the last of these.
std::optional<ProcessStat> parse_process_stat(std::string_view text);

/// Reads /proc/PID/stat; nullopt when there is no such process, or /proc hides it. Nothing of the
/// process's memory is read, so this never hangs.
std::optional<ProcessStat> read_stat(int pid);

/// The real uid in the text of /proc/PID/status; nullopt when it names none.
std::optional<std::uint32_t> parse_real_uid(std::string_view status);

/// The real uid of the process; nullopt when there is none, or /proc hides it.
std::optional<std::uint32_t> read_real_uid(int pid);

/// The soft limit of file locks in the text of /proc/PID/limits; nullopt when it is unlimited.
std::optional<std::uint64_t> parse_lock_limit(std::string_view limits);

/// The same of the process with this pid, also where its first thread has ended before others.
/// Nothing of the process's memory is read, so this never hangs.
std::optional<std::uint64_t> read_lock_limit(int pid);

/// Whether the process ignores this signal, by the text of /proc/PID/status.
bool parse_ignores_signal(std::string_view status, int signal_number);

/// The same of the process with this pid; false when there is none, or /proc hides it.
bool ignores_signal(int pid, int signal_number);

}  // namespace chg
