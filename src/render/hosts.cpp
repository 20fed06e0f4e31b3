#include "render/hosts.h"

#include <fmt/format.h>

#include "base/text.h"

namespace chg {
namespace {

// As long as a name of the DNS.
constexpr std::size_t kHostColumns = 255;

std::string name_of(const HostPart& part) { return printable(part.host, kHostColumns); }

const char* how(HostPart::Source source) {
  switch (source) {
    case HostPart::Source::Here:
      return "";
    case HostPart::Source::Store:
      return " (from its pool, not looked at)";
    case HostPart::Source::Ssh:
      return " (by ssh)";
  }
  return "";
}

const char* word_of(HostPart::Source source) {
  switch (source) {
    case HostPart::Source::Here:
      return "here";
    case HostPart::Source::Store:
      return "store";
    case HostPart::Source::Ssh:
      return "ssh";
  }
  return "";
}

std::string failure(const HostPart& part) {
  return fmt::format("{}: error: {}", name_of(part), printable(part.error));
}

}  // namespace

std::string hosts_text(const std::vector<HostPart>& parts) {
  std::string text;
  for (const HostPart& part : parts) {
    if (!text.empty()) text += "\n";
    if (part.error.empty()) {
      text += fmt::format("{}{}:\n{}", name_of(part), how(part.source), part.text);
    } else {
      text += failure(part) + "\n";
      if (!part.hint.empty()) text += fmt::format("hint: {}\n", printable(part.hint));
    }
  }
  return text;
}

std::string hosts_lines(const std::vector<HostPart>& parts) {
  std::string text;
  for (const HostPart& part : parts) {
    text += part.error.empty() ? fmt::format("{}: {}\n", name_of(part), part.text)
                               : failure(part) + "\n";
  }
  return text;
}

std::string hosts_json(const std::vector<HostPart>& parts, const std::string& key) {
  Json array = Json::array();
  for (const HostPart& part : parts) {
    Json object;
    object["host"] = part.host;
    object["source"] = word_of(part.source);
    if (part.error.empty()) {
      object[key] = part.document;
    } else {
      object["error"] = part.error;
      if (!part.hint.empty()) object["hint"] = part.hint;
    }
    array.push_back(std::move(object));
  }
  return json_text(array);
}

}  // namespace chg
