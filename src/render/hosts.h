// Several hosts side by side, failures beside successes.
#pragma once

#include <string>
#include <vector>

#include "render/json_text.h"

namespace chg {

/// One host, ready to be shown.
struct HostPart {
  enum class Source {
    Here,   ///< this host, looked at
    Store,  ///< another that shares the Redis: as its pool tells
    Ssh,    ///< asked by ssh
  };
  std::string host;  ///< raw
  Source source = Source::Here;
  std::string error;  ///< why it can't be shown; raw; "": it is
  std::string hint;
  std::string text;  ///< its lines, printable
  Json document;     ///< what it shows, for JSON
};

/// A line with the host's name, and then its lines; a blank line between hosts.
std::string hosts_text(const std::vector<HostPart>& parts);

/// One line for each host: "NAME: TEXT", "NAME: error: …".
std::string hosts_lines(const std::vector<HostPart>& parts);

/// The array that docs/schema/hosts.schema.json describes; `key` is what each host's document is:
/// "gpus", "summary", "queue" or "report".
std::string hosts_json(const std::vector<HostPart>& parts, const std::string& key);

}  // namespace chg
