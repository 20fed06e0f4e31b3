#include "probe/processes/host_pids.h"

#include <array>
#include <cerrno>
#include <cinttypes>
#include <csignal>
#include <cstdio>

#include <unistd.h>

#include "probe/processes/proc_reader.h"

namespace chg {

bool sees_host_pids(const ProcessIdentity& process) {
  return process.pid_namespace == kFirstPidNamespace;
}

bool sees_host_pids(const std::string& root) {
  std::array<char, 64> target{};
  const ssize_t size =
      ::readlink((root + "/proc/self/ns/pid").c_str(), target.data(), target.size() - 1);
  ProcessIdentity reader;
  return size > 0 && std::sscanf(target.data(), "pid:[%" SCNu64 "]", &reader.pid_namespace) == 1 &&
         sees_host_pids(reader);
}

bool has_ended(const std::string& root, int pid) {
  if (!sees_host_pids(root)) return false;
  const std::string proc = root + "/proc";
  if (ProcReader(proc).is_running(pid)) return false;
  if (::access((proc + "/" + std::to_string(pid)).c_str(), F_OK) == 0) return true;
  return ::kill(pid, 0) != 0 && errno == ESRCH;
}

}  // namespace chg
