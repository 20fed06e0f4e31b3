#include "process/caller.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/file_text.h"
#include "base/isolation.h"
#include "base/number.h"
#include "base/text.h"
#include "base/unique_fd.h"

namespace chg {
namespace {

// The inode of the user namespace that the kernel begins with (PROC_USER_INIT_INO in proc_ns.h of
// Linux).
constexpr std::uint64_t kFirstUserNamespace = 0xEFFFFFFD;

constexpr std::string_view kWitnessName = "canhazgpu";
constexpr std::chrono::seconds kWitnessTimeout(1);

// The inode of the root of each procfs (PROC_ROOT_INO of Linux).
constexpr std::uint64_t kRootOfProcfs = 1;

// In a mount namespace of their own, people mount what they like over /proc, and over each file in
// it. So the kernel is asked by a procfs alone (this and open_unmounted). No other file system can
// have the magic number of one. None where something else is at /proc.
UniqueFd open_procfs() {
  UniqueFd root(::open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC));
  struct statfs system {};
  struct stat file {};
  const bool is_procfs = root && ::fstatfs(root.get(), &system) == 0 &&
                         system.f_type == PROC_SUPER_MAGIC && ::fstat(root.get(), &file) == 0 &&
                         file.st_ino == kRootOfProcfs;
  return is_procfs ? std::move(root) : UniqueFd();
}

// Opens what the file system of `directory` itself has at `path`. None, with an errno other than
// ENOENT, where a mount is in the way, and where the kernel has no openat2.
UniqueFd open_unmounted(const UniqueFd& directory, const char* path, int flags) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_NO_XDEV;
  return UniqueFd(
      static_cast<int>(::syscall(SYS_openat2, directory.get(), path, &how, sizeof(how))));
}

// 0: it cannot be told.
std::uint64_t own_user_namespace() {
  const UniqueFd namespaces = open_unmounted(open_procfs(), "self/ns", O_PATH | O_DIRECTORY);
  if (!namespaces) return 0;
  // The link itself, since it leads out of procfs.
  const UniqueFd link = open_unmounted(namespaces, "user", O_PATH | O_NOFOLLOW);
  // A kernel that was made without user namespaces has no such link.
  if (!link) return errno == ENOENT ? kFirstUserNamespace : 0;
  // "user:[4026531837]"
  std::array<char, 64> target{};
  const ssize_t length = ::readlinkat(link.get(), "", target.data(), target.size());
  std::string_view inode(target.data(), static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
  cut(inode, '[');
  return parse<std::uint64_t>(cut(inode, ']')).value_or(0);
}

std::vector<std::uint32_t> own_groups() {
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(::getgroups(0, nullptr), 0)));
  const int count = ::getgroups(static_cast<int>(groups.size()), groups.data());
  groups.resize(static_cast<std::size_t>(std::max(count, 0)));
  groups.push_back(::getgid());
  return groups;
}

// /proc/self/uid_map names the uid of the namespace around this one, which may itself be inside of
// another, and every other call counts as this namespace does. But the options of a tmpfs name its
// owner as the first user namespace counts (shmem_show_options of Linux). So a process of its own
// mounts one, in namespaces that end with it. Where it may not, or where this uid stands for nobody
// of the host, nothing is told.
std::optional<std::uint32_t> ask_for_host_uid() {
  const auto work = [](Notes& notes) {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return;
    // Opened before it is covered.
    const UniqueFd mounts = open_unmounted(open_procfs(), "self/mountinfo", O_RDONLY);
    if (!mounts || ::mount(kWitnessName.data(), "/proc", "tmpfs", 0, nullptr) != 0) return;
    notes.add(read_to_end(mounts.get(), Notes::kBytesMax).value_or(""));
  };
  return owner_of_tmpfs(run_isolated("the kernel", work, {kWitnessTimeout}).notes, kWitnessName);
}

}  // namespace

Caller caller_of(const KernelAccount& told) {
  Caller caller;
  caller.uid_here = told.uid;
  if (told.user_namespace == kFirstUserNamespace) {
    caller.account.uid = told.uid;
    caller.is_admin = told.uid == 0;
    caller.groups = told.groups;
  } else if (told.host_uid) {
    caller.account.uid = *told.host_uid;
    caller.user_namespace = UserNamespace::Other;
  } else {
    caller.account.uid = told.uid;
    caller.user_namespace = UserNamespace::Untold;
  }
  return caller;
}

std::optional<std::uint32_t> owner_of_tmpfs(std::string_view mounts, std::string_view source) {
  // "36 35 98:0 /root /mount/point options - tmpfs SOURCE rw,uid=1000"; spaces within are escaped.
  const std::string kind = " - tmpfs " + std::string(source) + " ";
  std::optional<std::uint32_t> owner;
  while (!mounts.empty()) {
    const std::string_view line = cut(mounts, '\n');
    const std::size_t place = line.find(kind);
    if (place == std::string_view::npos) continue;
    // Root is not named.
    owner = 0;
    for (std::string_view options = line.substr(place + kind.size()); !options.empty();) {
      std::string_view value = cut(options, ',');
      if (cut(value, '=') == "uid") owner = parse<std::uint32_t>(value);
    }
  }
  return owner;
}

Caller find_caller() {
  KernelAccount told{::getuid(), own_groups(), own_user_namespace(), std::nullopt};
  const bool is_other = told.user_namespace != 0 && told.user_namespace != kFirstUserNamespace;
  if (is_other) told.host_uid = ask_for_host_uid();
  return caller_of(told);
}

}  // namespace chg
