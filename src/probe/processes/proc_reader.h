// What /proc tells about the processes that GPU tools list.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/observation.h"

namespace chg {

class ProcReader {
 public:
  /// Whether a command line is that of a program that serves AI models, and tells which.
  using TellsModel = std::function<bool(std::string_view command_line)>;

  /// `root`: where /proc is mounted. `host_root` stands before the files of container runtimes.
  /// `tells_model`: for who wants to know the models; else ancestors are not asked for theirs.
  explicit ProcReader(std::string root = "/proc", std::string host_root = "",
                      TellsModel tells_model = nullptr);

  /// Fills in what /proc/PID tells of `process.pid`: start, owner, program, its file, command line,
  /// reservation id, container, systemd unit, session and ancestors. What it doesn't tell stays as
  /// it was: everything where there is no such process (a GPU tool's pid may be of another pid
  /// namespace), some where it ends meanwhile or belongs to somebody else. All that is filled in is
  /// of one process, even if the pid is reused meanwhile.
  ///
  /// - program: the last part of argv[0] ("python3"), else the kernel's name for the process
  /// - command_line: all arguments, joined by spaces, at most 4096 bytes
  /// - reservation_id: missing when the environment may not be read (EACCES), or when the process
  ///   has written over it, as programs do that change their title
  /// - ancestors: at most 64; empty where a parent is hidden or ends meanwhile
  /// - ancestor_command_line: looked for only where a process that computes has no command line of
  ///   its own: a title ("VLLM::EngineCore"), or what Python's multiprocessing and mpi4py start.
  ///   What an ancestor tells is remembered as long as this object lives.
  ///
  /// Command line and environment are in the memory of the process: who reads them is stuck where
  /// that is locked (see process_facts.h). `before_memory` is called when the rest is filled in,
  /// and again before the command lines of ancestors are read.
  void fill(GpuProcess& process, const std::function<void()>& before_memory = nullptr);

  /// When the process started, as in ProcessIdentity; nullopt when there is none, or it is hidden.
  std::optional<std::uint64_t> start_ticks(int pid) const;

  /// Whether the process exists and has not ended: a zombie is not running.
  bool is_running(int pid) const;

 private:
  std::vector<Ancestor> ancestors_of(int parent) const;
  std::string command_line(const Ancestor& process) const;
  const std::string& server_command_line(const Ancestor& process);

  std::string root_;
  std::string host_root_;
  TellsModel tells_model_;
  /// Of servers that tell a model, by pid and start; "" of what is no such server.
  std::map<std::pair<int, std::uint64_t>, std::string> servers_;
};

}  // namespace chg
