// Reads the pool of the Go program of the same name from the values of its keys. canhazgpu 0.1.0
// kept its pool in the same keys, with records of its own beside them; both are read. Pure.
//
//   PREFIX:gpu_count, :provider       texts
//   PREFIX:gpu:N                      JSON: free, or who holds it
//   PREFIX:queue, :queue:entry:ID     who waits
//   PREFIX:usage_history_sorted       a set of usage records; before that, a key for each of them:
//   PREFIX:usage_history:…
//   PREFIX:host                       hash of 0.1.0 (records.h)
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/pool.h"

namespace chg {

/// The values as they were read.
struct GoImage {
  std::string prefix = "canhazgpu";
  std::string gpu_count;
  std::string provider;                                    ///< "": not set
  std::map<std::string, std::string> host;                 ///< the fields of PREFIX:host
  std::map<int, std::string> gpus;                         ///< of those GPUs that have a value
  std::vector<std::pair<std::string, std::string>> queue;  ///< id and entry, first in line first
  std::vector<std::string> history;
};

struct GoPool {
  /// Everything but queue and history. Its runs are those of canhazgpu 0.1.0, with their holders.
  Pool pool;
  /// What the Go program runs. Nothing in its keys says which processes they are.
  std::vector<Reservation> runs;
  std::vector<Request> waiting;      ///< of both programs; only who asks for what
  std::vector<UsageRecord> history;  ///< oldest end first
  std::vector<std::string> unread;   ///< the keys (and records) that hold what neither has written
};

/// The uid of an account; missing when this host doesn't know it.
using UidOf = std::function<std::optional<std::uint32_t>(const std::string& account)>;

/// The uid of accounts that this host doesn't know: nobody's.
inline constexpr std::uint32_t kUnknownUid = 0xffffffff;

/// More GPUs than this are a mistake in `gpu_count`.
inline constexpr int kGoGpusMax = 10'000;

/// How many GPUs that says; missing for what is no number of GPUs.
std::optional<int> read_gpu_count(const std::string& text);

/// Throws Error(Failed) when `gpu_count` is no number of GPUs. Anything else that can't be read is
/// named in `unread`; a GPU whose value is damaged is free.
GoPool read_go_pool(const GoImage& image, const UidOf& uid_of);

}  // namespace chg
