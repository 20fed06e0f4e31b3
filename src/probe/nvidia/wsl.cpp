#include "probe/nvidia/wsl.h"

#include <sys/stat.h>

namespace chg {
namespace {

bool is_windows_path(std::string_view name) {
  return name.starts_with("\\\\") || (name.size() > 2 && name.substr(1, 2) == ":\\");
}

}  // namespace

bool is_wsl() {
  struct stat file {};
  return ::stat("/dev/dxg", &file) == 0 && S_ISCHR(file.st_mode);
}

void note_windows(GpuProcess& process, std::string_view name) {
  if (process.memory_mib || !is_windows_path(name)) return;
  process.outside = true;
  process.program = name.substr(name.rfind('\\') + 1);
}

}  // namespace chg
