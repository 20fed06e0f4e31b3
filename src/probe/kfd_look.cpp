#include "probe/kfd_look.h"

#include <algorithm>
#include <csignal>
#include <future>
#include <memory>
#include <system_error>
#include <thread>

#include <fmt/format.h>
#include <pthread.h>

#include "base/duration_text.h"
#include "base/error.h"
#include "probe/driver_pids.h"
#include "probe/drm_clients.h"
#include "probe/kfd_gpus.h"
#include "probe/kfd_topology.h"

namespace chg {
namespace {

// What the driver itself takes of an idle card stays below, on any but the largest. Only above it
// is it worth to look through all of /proc for who draws.
constexpr std::uint64_t kDriverMib = 64;

bool may_have_drawers(const GpuReading& gpu) {
  return unlisted_memory_mib(gpu).value_or(kDriverMib + 1) > kDriverMib;
}

void mark_unlisted(std::vector<GpuReading>& gpus) {
  for (GpuReading& gpu : gpus) {
    const bool is_idle = gpu.memory_used_mib == 0;
    if (!is_idle && gpu.error.empty()) gpu.error = "the driver does not list its processes";
  }
}

// A thread gets the signal mask of its maker. Signals are for the thread that waits for them.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockedSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

std::vector<GpuReading> look_at_kfd(const std::string& root) {
  const auto nodes = read_kfd_nodes(root);
  if (!nodes || nodes->empty()) return {};
  // Memory first: what begins in between is then listed with what it holds.
  std::vector<GpuReading> gpus = read_kfd_gpus(root, *nodes);
  const auto uses = read_driver_uses(root);
  if (!uses) {
    mark_unlisted(gpus);
    return gpus;
  }
  add_driver_uses(gpus, *nodes, *uses);
  // The driver's pids are the host's, and /proc has those of the reader: they must be the same.
  if (sees_host_pids(root) && std::any_of(gpus.begin(), gpus.end(), may_have_drawers)) {
    add_drm_clients(gpus, read_drm_clients(root));
  }
  return gpus;
}

std::vector<GpuReading> look_at_kfd(const std::string& root, std::chrono::nanoseconds deadline) {
  using Gpus = std::vector<GpuReading>;
  const auto promise = std::make_shared<std::promise<Gpus>>();
  std::future<Gpus> answer = promise->get_future();
  try {
    const BlockedSignals blocked;
    std::thread([promise, root] {
      try {
        promise->set_value(look_at_kfd(root));
      } catch (...) {
        promise->set_exception(std::current_exception());
      }
    }).detach();
  } catch (const std::system_error& problem) {
    throw errno_error("cannot start a thread", problem.code().value());
  }
  if (answer.wait_for(deadline) != std::future_status::ready) {
    throw Error(ErrorKind::Failed,
                fmt::format("the AMD driver did not answer within {}", to_short_text(deadline)),
                "A GPU or its driver may be stuck: see dmesg.");
  }
  return answer.get();
}

}  // namespace chg
