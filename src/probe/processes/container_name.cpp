#include "probe/processes/container_name.h"

#include <nlohmann/json.hpp>

#include "base/file_text.h"

namespace chg {
namespace {

using nlohmann::json;

// A list of all containers may be long, but not that long.
constexpr std::size_t kBytesMax = 16U << 20;

json read_config(const std::string& path) {
  const std::string text = read_file(path, kBytesMax).value_or("");
  return json::parse(text, nullptr, false);  // discarded when it is none
}

std::string text_at(const json& object, const char* key) {
  if (!object.is_object()) return "";
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string docker_name(const std::string& id, const std::string& root) {
  const json config = read_config(root + "/var/lib/docker/containers/" + id + "/config.v2.json");
  const std::string name = text_at(config, "Name");
  return name.starts_with('/') ? name.substr(1) : name;
}

// The list that Podman keeps of root's containers: [{"id": …, "names": ["trainer"]}].
std::string podman_name(const std::string& id, const std::string& root) {
  const json list =
      read_config(root + "/var/lib/containers/storage/overlay-containers/containers.json");
  if (!list.is_array()) return "";
  for (const json& entry : list) {
    if (text_at(entry, "id") != id || !entry.contains("names")) continue;
    const json& names = entry["names"];
    if (names.is_array() && !names.empty() && names[0].is_string()) {
      return names[0].get<std::string>();
    }
  }
  return "";
}

// The annotations that containerd's side of Kubernetes writes.
std::string containerd_name(const std::string& id, const std::string& root) {
  const json config = read_config(root + "/run/containerd/io.containerd.runtime.v2.task/k8s.io/" +
                                  id + "/config.json");
  if (!config.is_object() || !config.contains("annotations")) return "";
  const json& notes = config["annotations"];
  const std::string pod = text_at(notes, "io.kubernetes.cri.sandbox-name");
  const std::string name = text_at(notes, "io.kubernetes.cri.container-name");
  return pod.empty() || name.empty() ? pod + name : pod + "/" + name;
}

}  // namespace

std::string container_name(const Container& container, const std::string& root) {
  if (!container.name.empty()) return container.name;
  if (container.runtime == "docker") return docker_name(container.id, root);
  if (container.runtime == "podman") return podman_name(container.id, root);
  if (container.runtime == "containerd") return containerd_name(container.id, root);
  return "";
}

}  // namespace chg
