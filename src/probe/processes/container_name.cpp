#include "probe/processes/container_name.h"

#include <fstream>
#include <iterator>
#include <vector>

#include <nlohmann/json.hpp>

namespace chg {
namespace {

using nlohmann::json;

// A list of all containers may be long, but not that long.
constexpr std::streamsize kBytesMax = 16 << 20;

json read_json(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text;
  std::vector<char> buffer(64U << 10);
  while (file && static_cast<std::streamsize>(text.size()) < kBytesMax) {
    file.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    text.append(buffer.data(), static_cast<std::size_t>(file.gcount()));
  }
  return json::parse(text, nullptr, false);  // discarded when it is none
}

std::string text_at(const json& object, const char* key) {
  if (!object.is_object()) return "";
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string docker_name(const std::string& id, const std::string& root) {
  const json config = read_json(root + "/var/lib/docker/containers/" + id + "/config.v2.json");
  const std::string name = text_at(config, "Name");
  return name.starts_with('/') ? name.substr(1) : name;
}

// The list that Podman keeps of root's containers: [{"id": …, "names": ["trainer"]}].
std::string podman_name(const std::string& id, const std::string& root) {
  const json list =
      read_json(root + "/var/lib/containers/storage/overlay-containers/containers.json");
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
  const json config = read_json(root + "/run/containerd/io.containerd.runtime.v2.task/k8s.io/" +
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
