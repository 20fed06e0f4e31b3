#include "render/hosts.h"

#include <fmt/format.h>

#include "base/text.h"
#include "render/json_output.h"

namespace chg {
namespace {

// As long as a name of the DNS.
constexpr std::size_t kHostColumns = 255;

std::string name_of(const HostPart& part) { return printable(part.host, kHostColumns); }

struct SourceWords {
  const char* key;
  const char* text;
};

const SourceWords& words_for(HostPart::Source source) {
  // In the order of HostPart::Source.
  static constexpr SourceWords kWords[] = {
      {"here", ""}, {"store", " (from its pool, not looked at)"}, {"ssh", " (by ssh)"}};
  return kWords[static_cast<std::size_t>(source)];
}

std::string failure(const HostPart& part) {
  return fmt::format("{}: error: {}", name_of(part), printable(part.error));
}

// `json` as json_text makes it, two levels deeper. Its newlines are all layout: those of strings
// are escaped.
std::string indented(const std::string& json) {
  std::string text;
  for (const char c : json.substr(0, json.size() - 1)) {
    text += c;
    if (c == '\n') text += "    ";
  }
  return text;
}

std::string member(const std::string& key, const std::string& json) {
  return fmt::format(",\n    \"{}\": {}", key, indented(json));
}

std::string object_of(const HostPart& part, const std::string& key) {
  std::string members = member("host", json_text(part.host)).substr(1);
  members += member("source", json_text(words_for(part.source).key));
  if (part.error.empty()) return fmt::format("\n  {{{}{}\n  }}", members, member(key, part.text));
  members += member("error", json_text(part.error));
  if (!part.hint.empty()) members += member("hint", json_text(part.hint));
  return fmt::format("\n  {{{}\n  }}", members);
}

}  // namespace

std::string hosts_text(const std::vector<HostPart>& parts) {
  std::string text;
  for (const HostPart& part : parts) {
    if (!text.empty()) text += "\n";
    if (part.error.empty()) {
      text += fmt::format("{}{}:\n{}", name_of(part), words_for(part.source).text, part.text);
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
    text +=
        part.error.empty() ? fmt::format("{}: {}", name_of(part), part.text) : failure(part) + "\n";
  }
  return text;
}

// The hosts' own documents are texts already, and are put in their places as they are.
std::string hosts_json(const std::vector<HostPart>& parts, const std::string& key) {
  if (parts.empty()) return "[]\n";
  std::string text;
  for (const HostPart& part : parts) text += (text.empty() ? "[" : ",") + object_of(part, key);
  return text + "\n]\n";
}

}  // namespace chg
