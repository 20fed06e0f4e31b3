// The files by which Linux tells of AMD GPUs, made in a folder of one test.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include <fmt/format.h>

#include "support/temporary_folder.h"

namespace chg {

class AmdTree {
 public:
  /// The reader of this tree sees the pids of the host.
  AmdTree() { see_pids_of("pid:[4026531836]"); }

  std::string root() const { return folder_.path(); }
  const TemporaryFolder& folder() const { return folder_; }

  void see_pids_of(const std::string& pid_namespace) const {
    const std::filesystem::path link = folder_.path("proc/self/ns/pid");
    std::filesystem::create_directories(link.parent_path());
    std::filesystem::remove(link);
    std::filesystem::create_symlink(pid_namespace, link);
  }

  static std::string nodes() { return "sys/class/kfd/kfd/topology/nodes/"; }
  static std::string processes() { return "sys/class/kfd/kfd/proc/"; }

  void add_cpu(int node) const {
    folder_.write(fmt::format("{}{}/gpu_id", nodes(), node), "0\n");
    folder_.write(fmt::format("{}{}/properties", nodes(), node),
                  "cpu_cores_count 64\nsimd_count 0\nlocation_id 0\ndrm_render_minor 0\n");
  }

  /// A GPU with a driver's list of processes, which is empty.
  void add_gpu(int node, std::uint32_t gpu_id, std::uint32_t location, int minor,
               const std::string& more = "unique_id 7255047268082171739\n") const {
    folder_.write(fmt::format("{}{}/gpu_id", nodes(), node), std::to_string(gpu_id) + "\n");
    folder_.write(fmt::format("{}{}/properties", nodes(), node),
                  fmt::format("cpu_cores_count 0\nsimd_count 256\nvendor_id 4098\n"
                              "location_id {}\ndomain 0\ndrm_render_minor {}\n{}",
                              location, minor, more));
    std::filesystem::create_directories(folder_.path(processes()));
    folder_.write(render_node(minor), "");
  }

  static std::string render_node(int minor) { return fmt::format("dev/dri/renderD{}", minor); }

  /// A file of the device with this render minor.
  void put(int minor, const std::string& name, const std::string& text) const {
    folder_.write(fmt::format("sys/class/drm/renderD{}/device/{}", minor, name), text);
  }
  void put_memory(int minor, std::uint64_t used_mib, std::uint64_t total_mib) const {
    put(minor, "mem_info_vram_used", std::to_string(used_mib << 20) + "\n");
    put(minor, "mem_info_vram_total", std::to_string(total_mib << 20) + "\n");
  }

  /// A file that KFD has of a process.
  void put_kfd(int pid, const std::string& name, const std::string& text) const {
    folder_.write(fmt::format("{}{}/{}", processes(), pid, name), text);
  }

  /// A process in /proc.
  void run(int pid, const std::string& program, char state = 'S') const {
    folder_.write(fmt::format("proc/{}/stat", pid),
                  fmt::format("{} ({}) {} 1 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 4242 1 2\n", pid,
                              program, state));
    folder_.write(fmt::format("proc/{}/cmdline", pid), "/usr/bin/" + program);
    folder_.write(fmt::format("proc/{}/status", pid), "Name:\tx\nUid:\t4294000001\t1\t1\t1\n");
    folder_.write(fmt::format("proc/{}/environ", pid), "CANHAZGPU_RESERVATION=r-1");
  }

 private:
  TemporaryFolder folder_;
};

/// No pid of Linux is as high.
inline constexpr int kNoPid = 2'000'000'000;

}  // namespace chg
