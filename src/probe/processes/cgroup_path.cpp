#include "probe/processes/cgroup_path.h"

#include <array>
#include <vector>

#include "base/number.h"
#include "base/text.h"

namespace chg {
namespace {

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::string_view part = cut(text, at);
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

bool is_container_id(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// What stands between the beginning and the end; nullopt where they don't.
std::optional<std::string_view> between(std::string_view text, std::string_view begin,
                                        std::string_view end) {
  if (text.size() < begin.size() + end.size() || !text.starts_with(begin) || !text.ends_with(end)) {
    return std::nullopt;
  }
  return text.substr(begin.size(), text.size() - begin.size() - end.size());
}

// systemd writes a character that a unit's name cannot hold as \x2d.
std::string unescape(std::string_view text) {
  std::string plain;
  while (!text.empty()) {
    const bool is_escape = text.starts_with("\\x") && text.size() >= 4;
    const auto code = is_escape ? parse<unsigned char>(text.substr(2, 2), 16) : std::nullopt;
    if (code) {
      plain += static_cast<char>(*code);
      text.remove_prefix(4);
    } else {
      plain += text.front();
      text.remove_prefix(1);
    }
  }
  return plain;
}

// The container whose group is `part`, inside of the group `above`.
std::optional<Container> container_of(std::string_view part, std::string_view above) {
  struct Scope {
    std::string_view prefix;
    const char* runtime;
  };
  constexpr std::array<Scope, 4> kScopes = {{{"docker-", "docker"},
                                             {"libpod-", "podman"},
                                             {"cri-containerd-", "containerd"},
                                             {"crio-", "cri-o"}}};
  for (const Scope& scope : kScopes) {
    const auto id = between(part, scope.prefix, ".scope");
    if (id && is_container_id(*id)) return Container{scope.runtime, std::string(*id), ""};
  }
  if (is_container_id(part)) {
    if (above == "docker") return Container{"docker", std::string(part), ""};
    if (above.starts_with("pod")) return Container{"containerd", std::string(part), ""};
  }
  if (const auto name = between(part, "lxc.payload.", "")) {
    return Container{"lxc", std::string(*name), std::string(*name)};
  }
  if (above == "lxc") return Container{"lxc", std::string(part), std::string(part)};
  if (const auto name = between(part, "machine-", ".scope")) {
    return Container{"nspawn", unescape(*name), unescape(*name)};
  }
  return std::nullopt;
}

void read_path(std::string_view path, CgroupFacts& facts) {
  std::string_view above;
  for (const std::string_view part : split(path, '/')) {
    const auto session = between(part, "session-", ".scope");
    if (const auto container = container_of(part, above)) {
      facts.container = container;
      facts.unit.clear();  // the unit of the container is the runtime's affair
    } else if (session) {
      facts.session = *session;
    } else if (part.ends_with(".service") || (part.ends_with(".scope") && part != "init.scope")) {
      facts.unit = part;
    }
    above = part;
  }
}

}  // namespace

CgroupFacts parse_cgroup(std::string_view text) {
  CgroupFacts facts;
  for (std::string_view path : split(text, '\n')) {
    cut(path, ':');
    cut(path, ':');
    // Of version 1, many lines say the same; systemd's own and the unified one know the units.
    CgroupFacts found;
    read_path(path, found);
    if (!facts.container) facts.container = found.container;
    if (facts.unit.empty()) facts.unit = found.unit;
    if (facts.session.empty()) facts.session = found.session;
  }
  return facts;
}

}  // namespace chg
