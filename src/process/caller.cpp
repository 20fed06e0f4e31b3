#include "process/caller.h"

#include <algorithm>
#include <string>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
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

std::uint64_t own_user_namespace() {
  struct stat file {};
  if (::stat("/proc/self/ns/user", &file) == 0) return file.st_ino;
  // A kernel that was made without user namespaces shows only the others.
  return ::access("/proc/self/ns/mnt", F_OK) == 0 ? kFirstUserNamespace : 0;
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
    const UniqueFd mounts(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
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
  if (told.user_namespace != kFirstUserNamespace) told.host_uid = ask_for_host_uid();
  return caller_of(told);
}

}  // namespace chg
