#include "cli/many_hosts.h"

#include <algorithm>

#include <fmt/format.h>

#include "app/remote.h"
#include "base/error.h"
#include "base/text.h"
#include "config/value.h"
#include "view/remote_host.h"

namespace chg {
namespace {

struct Wanted {
  bool all = false;
  std::vector<std::string> named;
  std::vector<std::string> remote;  ///< named first, then remote_hosts; each once, checked
};

Wanted wanted_hosts(const Session& session, const Arguments& arguments,
                    const std::string& section) {
  Wanted wanted{session.config().flag(section + ".all"),
                list_items(arguments.value("remote").value_or("")),
                {}};
  std::vector<std::string> names = wanted.named;
  if (arguments.has("remote") && names.empty()) names.emplace_back();
  if (wanted.all) {
    const std::vector<std::string> configured = session.config().list("remote_hosts");
    names.insert(names.end(), configured.begin(), configured.end());
  }
  for (const std::string& name : names) {
    require_remote_host(name);
    const auto& known = wanted.remote;
    if (std::find(known.begin(), known.end(), name) == known.end()) wanted.remote.push_back(name);
  }
  return wanted;
}

template <typename View>
HostPart part_of(const HostView<View>& seen, const HostForm<View>& form) {
  HostPart part;
  part.host = seen.host;
  part.error = seen.error;
  part.hint = seen.hint;
  if (!seen.view) return part;
  if (!seen.view->elsewhere.empty()) part.source = HostPart::Source::Store;
  part.text = form.text(*seen.view);
  part.document = Json::parse(form.json(*seen.view));
  return part;
}

template <typename View>
HostPart part_of(const RemoteAnswer& answer, const HostForm<View>& form) {
  HostPart part;
  part.host = answer.host;
  part.source = HostPart::Source::Ssh;
  part.error = answer.error;
  part.hint = answer.hint;
  if (!answer.error.empty()) return part;
  try {
    part.document = form.read(answer.text);
    part.text = form.remote_text(part.document);
  } catch (const Error& error) {
    part.error = error.what();
    part.hint = error.hint();
  }
  return part;
}

// This host is left out where it has no pool and others are shown: people look from it.
template <typename View>
void add_local(std::vector<HostPart>& parts, const std::vector<HostView<View>>& seen,
               const HostForm<View>& form, bool others) {
  for (const HostView<View>& one : seen) {
    const bool is_spectator = one.has_no_pool && (others || seen.size() > 1);
    if (is_spectator) continue;
    parts.push_back(part_of(one, form));
    if (&one != &seen.front()) parts.back().source = HostPart::Source::Store;
  }
}

int exit_status(const std::vector<HostPart>& parts, const std::vector<std::string>& named) {
  const bool any = std::any_of(parts.begin(), parts.end(),
                               [](const HostPart& part) { return part.error.empty(); });
  const bool failed = std::any_of(parts.begin(), parts.end(), [&](const HostPart& part) {
    return part.source == HostPart::Source::Ssh && !part.error.empty() &&
           std::find(named.begin(), named.end(), part.host) != named.end();
  });
  return any && !failed ? 0 : 1;
}

}  // namespace

std::vector<Option> host_options(const std::string& section) {
  return {{"--all", "", "Every host: of the Redis, and remote_hosts by ssh", section + ".all"},
          {.names = "-r,--remote",
           .type = "HOST",
           .help = "These hosts, by ssh: gpu1,gpu2",
           .is_list = true}};
}

bool asks_for_hosts(const Session& session, const Arguments& arguments,
                    const std::string& section) {
  return arguments.has("remote") || session.config().flag(section + ".all");
}

template <typename View>
int show_hosts(Session& session, const Arguments& arguments, const HostForm<View>& form,
               const std::function<std::vector<HostView<View>>()>& view) {
  const Wanted wanted = wanted_hosts(session, arguments, form.section);
  std::vector<HostPart> parts;
  if (wanted.all) add_local(parts, view(), form, !wanted.remote.empty());
  const bool is_alone = wanted.all && parts.size() == 1 && wanted.remote.empty();
  if (is_alone && session.context().store_is_file()) {
    session.say(
        "this host alone: others are shown when they share its Redis (--store redis://HOST), or "
        "are named in remote_hosts");
  }
  const Duration deadline = *session.config().duration("remote.deadline");
  for (const RemoteAnswer& answer : ask_hosts(wanted.remote, form.words, deadline)) {
    parts.push_back(part_of(answer, form));
  }
  if (session.config().flag(form.section + ".json")) {
    print(hosts_json(parts, form.key));
  } else {
    print(form.is_line ? hosts_lines(parts) : hosts_text(parts));
  }
  return exit_status(parts, wanted.named);
}

template int show_hosts(Session&, const Arguments&, const HostForm<Overview>&,
                        const std::function<std::vector<HostView<Overview>>()>&);
template int show_hosts(Session&, const Arguments&, const HostForm<QueueOverview>&,
                        const std::function<std::vector<HostView<QueueOverview>>()>&);
template int show_hosts(Session&, const Arguments&, const HostForm<Report>&,
                        const std::function<std::vector<HostView<Report>>()>&);

void mention_elsewhere(const Session& session, const std::string& elsewhere) {
  if (elsewhere.empty()) return;
  session.say(
      fmt::format("this is the pool of host '{}', as the store has it: its GPUs are not "
                  "looked at from here",
                  printable(elsewhere, 60)));
}

}  // namespace chg
