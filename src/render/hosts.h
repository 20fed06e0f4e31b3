// Several hosts side by side, failures beside successes.
#pragma once

#include <string>
#include <vector>

namespace chg {

/// One host, ready to be shown.
struct HostPart {
  enum class Source {
    Here,   ///< this host, whose GPUs are looked at
    Store,  ///< its pool alone: of another host that shares the Redis
    Ssh,    ///< its canhazgpu was asked by ssh
  };
  std::string host;  ///< raw
  Source source = Source::Here;
  std::string text = {};   ///< what it shows: its lines, printable, or for hosts_json its JSON
  std::string error = {};  ///< why it shows nothing; raw; "": it does
  std::string hint = {};
  bool has_no_pool = false;  ///< which is no failure of a host from which others are looked at
};

/// A line with each host's name, then its lines; a blank line between hosts.
std::string hosts_text(const std::vector<HostPart>& parts);

/// One line for each host: "NAME: TEXT", "NAME: error: …".
std::string hosts_lines(const std::vector<HostPart>& parts);

/// The array that docs/schema/hosts.schema.json describes. Each host's JSON stands under `key`:
/// "gpus", "summary", "queue" or "report".
std::string hosts_json(const std::vector<HostPart>& parts, const std::string& key);

}  // namespace chg
