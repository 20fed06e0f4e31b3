#include "app/host.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <vector>

#include <grp.h>
#include <unistd.h>

#include "base/error.h"
#include "probe/proc_reader.h"
#include "process/identity.h"

namespace chg {
namespace {

bool is_member_of(const std::string& group_name) {
  std::array<char, 65536> buffer{};
  group entry{};
  group* found = nullptr;
  getgrnam_r(group_name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) return false;
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(getgroups(0, nullptr), 0)));
  const int count = getgroups(static_cast<int>(groups.size()), groups.data());
  groups.resize(static_cast<std::size_t>(std::max(count, 0)));
  groups.push_back(getgid());
  return std::find(groups.begin(), groups.end(), found->gr_gid) != groups.end();
}

std::string probe_for(const std::string& provider, const std::string& wanted) {
  if (wanted != "auto") return wanted;
  return provider == "fake" ? "fake" : "nvidia-smi";
}

}  // namespace

Store& Host::store() {
  if (!store_) store_ = world_.open_store(options_.store_path);
  return *store_;
}

std::string Host::fake_file() const {
  if (!options_.fake_file.empty()) return options_.fake_file;
  return std::filesystem::path(options_.store_path).parent_path() / "fake-gpus.json";
}

Observation Host::look(const std::string& provider) {
  const auto probe = world_.make_probe(
      {probe_for(provider, options_.probe), options_.probe_deadline, fake_file()});
  Observation observation = probe->look();
  observation.observer = self_identity();
  return observation;
}

Observation Host::look() {
  if (!provider_) {
    const Pool pool = store().read();
    require_pool(pool);
    provider_ = pool.provider;
  }
  return look(*provider_);
}

Caller current_caller(const Pool& pool) {
  const uid_t uid = getuid();
  const bool is_admin = uid == 0 || (!pool.admin_group.empty() && is_member_of(pool.admin_group));
  return {{uid, ProcReader().account_name(uid)}, is_admin};
}

void require_pool(const Pool& pool) {
  if (!pool.gpus.empty()) return;
  throw Error(ErrorKind::Failed, "there is no pool on this host yet",
              "set it up with: canhazgpu admin");
}

}  // namespace chg
