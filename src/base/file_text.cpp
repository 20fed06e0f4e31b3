#include "base/file_text.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace chg {

std::optional<std::string> read_to_end(int fd, std::size_t bytes_max) {
  std::string text;
  std::array<char, 16384> buffer;
  while (text.size() < bytes_max) {
    const std::size_t wanted = std::min(buffer.size(), bytes_max - text.size());
    const ssize_t size = ::read(fd, buffer.data(), wanted);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return std::nullopt;
    if (size == 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(size));
  }
  return text;
}

std::optional<std::string> read_file(const std::string& path, std::size_t bytes_max, int flags) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags));
  return file ? read_to_end(file.get(), bytes_max) : std::nullopt;
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

}  // namespace chg
