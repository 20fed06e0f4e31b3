// What status, queue and report have in common: to show more than this host.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "app/view.h"
#include "cli/command.h"
#include "cli/session.h"
#include "render/hosts.h"

namespace chg {

/// --all and --remote; the key of --all lies under `section` ("status").
std::vector<Option> host_options(const std::string& section);

/// Whether more than this host, or another, is asked for.
bool asks_for_hosts(const Session& session, const Arguments& arguments, const std::string& section);

/// How a command shows one host.
template <typename View>
struct HostForm {
  std::string section;                                  ///< "status"
  std::string key;                                      ///< as hosts_json takes it
  std::vector<std::string> words;                       ///< what other hosts are asked
  std::function<std::string(const View&)> text;         ///< of a view
  std::function<std::string(const View&)> json;         ///< its JSON
  std::function<Json(const std::string&)> read;         ///< an answer; throws Error
  std::function<std::string(const Json&)> remote_text;  ///< of what was read
  bool is_line = false;                                 ///< text is one line
};

/// Shows the hosts that are asked for: with --all this one, those that share its Redis, and those
/// of remote_hosts; with --remote those that are named. `view` shows the first two. Returns the
/// exit status: 1 when one that was named can't be shown, or none at all could be.
template <typename View>
int show_hosts(Session& session, const Arguments& arguments, const HostForm<View>& form,
               const std::function<std::vector<HostView<View>>()>& view);

/// Says that the pool is another host's, if it is.
void mention_elsewhere(const Session& session, const std::string& elsewhere);

}  // namespace chg
