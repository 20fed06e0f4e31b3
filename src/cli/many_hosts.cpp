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

HostPart part_of(const RemoteAnswer& answer, const HostForm& form) {
  HostPart part{.host = answer.host,
                .source = HostPart::Source::Ssh,
                .error = answer.error,
                .hint = answer.hint};
  if (!answer.error.empty()) return part;
  try {
    part.text = form.remote(answer.text);
  } catch (const Error& error) {
    part.error = error.what();
    part.hint = error.hint();
  }
  return part;
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

std::vector<Option> remote_options(const std::string& section) {
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

int show_hosts(Session& session, const Arguments& arguments, const HostForm& form) {
  const Wanted wanted = wanted_hosts(session, arguments, form.section);
  std::vector<HostPart> parts;
  if (wanted.all) parts = form.local();
  // A host without a pool may be used just to look at others.
  if (parts.size() + wanted.remote.size() > 1) std::erase_if(parts, &HostPart::has_no_pool);
  const bool is_alone = wanted.all && parts.size() == 1 && wanted.remote.empty();
  if (is_alone && session.context().store_is_file()) {
    session.say(
        "this host alone: others are shown if they share its Redis (--store redis://HOST), or "
        "are named in remote_hosts");
  }
  const Duration timeout = *session.config().duration("remote.timeout");
  for (const RemoteAnswer& answer : ask_hosts(wanted.remote, form.words, timeout)) {
    parts.push_back(part_of(answer, form));
  }
  if (session.config().flag(form.section + ".json")) {
    print(hosts_json(parts, form.key));
  } else {
    print(form.is_line ? hosts_lines(parts) : hosts_text(parts));
  }
  return exit_status(parts, wanted.named);
}

void mention_elsewhere(const Session& session, const std::string& elsewhere) {
  if (elsewhere.empty()) return;
  session.say(
      fmt::format("this is the pool of host '{}', as the store has it: its GPUs are not "
                  "looked at from here",
                  printable(elsewhere, 60)));
}

}  // namespace chg
