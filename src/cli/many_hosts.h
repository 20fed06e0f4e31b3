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
std::vector<Option> remote_options(const std::string& section);

/// Whether more than this host, or another, is asked for.
bool asks_for_hosts(const Session& session, const Arguments& arguments, const std::string& section);

/// How a command shows several hosts.
struct HostForm {
  std::string section;                                ///< "status"
  std::string key;                                    ///< as hosts_json takes it
  std::vector<std::string> words;                     ///< what other hosts are asked by ssh
  std::function<std::vector<HostPart>()> local = {};  ///< this host and those of its Redis
  std::function<std::string(const std::string&)> remote = {};  ///< shows an answer; throws Error
  bool is_line = false;                                        ///< a host is one line, unless JSON
};

/// Shows the hosts that are asked for: with --all those of `local` and those of remote_hosts; with
/// --remote those that are named. Returns the exit status: 1 when one that was named can't be
/// shown, or none at all could be.
int show_hosts(Session& session, const Arguments& arguments, const HostForm& form);

/// Views of this host and then of others, each as `show` shows it.
template <typename View, typename Show>
std::vector<HostPart> shown_parts(const std::vector<HostView<View>>& views, const Show& show) {
  std::vector<HostPart> parts;
  for (const HostView<View>& one : views) {
    const bool is_here = &one == &views.front() && !(one.view && !one.view->elsewhere.empty());
    parts.push_back({.host = one.host,
                     .source = is_here ? HostPart::Source::Here : HostPart::Source::Store,
                     .text = one.view ? show(*one.view) : "",
                     .error = one.error,
                     .hint = one.hint,
                     .has_no_pool = one.has_no_pool});
  }
  return parts;
}

/// Says that the pool is another host's, if it is.
void mention_elsewhere(const Session& session, const std::string& elsewhere);

}  // namespace chg
