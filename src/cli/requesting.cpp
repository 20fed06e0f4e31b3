#include "cli/requesting.h"

#include <csignal>
#include <cstring>
#include <memory>

#include <fmt/format.h>

#include "app/outage.h"
#include "base/duration_text.h"
#include "base/error.h"
#include "base/random_id.h"
#include "core/gpu_ids.h"
#include "render/reason.h"

namespace chg {

std::vector<Option> request_options(const std::string& section) {
  return {{"-g,--gpus", "N", "How many GPUs (default 1)", section + ".gpus"},
          {"-G,--gpu-ids", "IDS", "Which GPUs: 1,3 or 0-3", section + ".gpu_ids"},
          {"-n,--note", "TEXT", "What it is for, shown in status", section + ".note"},
          {"-u,--user", "LABEL", "Who you are, on a shared account", section + ".user"},
          {"--nonblock", "", "Don't wait: exit 75 if not available now", section + ".nonblock"},
          {"-w,--wait", "D", "Wait this long at most, then exit 75", section + ".wait"}};
}

Request request_from(Session& session, const std::string& section, ReservationKind kind) {
  const Config& config = session.config();
  Request request = session.context().request_of_caller(Pool{});
  request.id = random_id();
  request.kind = kind;
  request.label = config.text(section + ".user").value_or("");
  request.note = config.text(section + ".note").value_or("");
  request.count = static_cast<int>(config.number(section + ".gpus"));
  const auto ids = config.gpu_ids(section + ".gpu_ids");
  const Source count_source = config.origin(section + ".gpus").source;
  const Source ids_source = config.origin(section + ".gpu_ids").source;
  // The source with the higher priority wins; within one source the two must agree.
  if (!ids || ids_source < count_source) return request;
  const int named = static_cast<int>(ids->size());
  if (count_source == ids_source && count_source != Source::Default && request.count != named) {
    throw Error(ErrorKind::Usage,
                fmt::format("--gpus {} contradicts --gpu-ids {}", request.count, to_id_list(*ids)),
                "leave --gpus out: the ids say how many");
  }
  request.gpu_ids = *ids;
  request.count = named;
  return request;
}

AcquireOptions acquire_options_from(const Session& session, const std::string& section) {
  const Config& config = session.config();
  return {config.flag(section + ".nonblock"), config.duration(section + ".wait")};
}

WaitListener tell_waiting(Session& session) {
  const auto outage = std::make_shared<Outage>();
  return {[&session, told = std::string()](const Decision& decision, const Instant& now) mutable {
            session.say(waiting_line(decision, now.wall));
            const std::string hint = instead(decision.reason);
            if (!hint.empty() && hint != told) session.say("hint: " + hint);
            told = hint;
          },
          [&session, outage](const Error& trouble) {
            if (!outage->tells(trouble, session.context().now())) return;
            session.say(fmt::format("still waiting, trying again: {}", trouble.what()));
            if (!trouble.hint().empty()) session.say("hint: " + trouble.hint());
          }};
}

void refuse(const NotGranted& outcome, const Request& request, WallTime now) {
  const std::string why =
      outcome.decision ? ": " + sentence(outcome.decision->reason, now, true) : std::string();
  const std::string other = outcome.decision ? instead(outcome.decision->reason) : std::string();
  switch (outcome.why) {
    case NotGranted::Why::NotAvailable:
      throw Error(ErrorKind::Unavailable, "not available now" + why,
                  !other.empty() ? other : "leave --nonblock out to wait in the queue");
    case NotGranted::Why::WaitedTooLong:
      throw Error(
          ErrorKind::Unavailable, "not available in time" + why,
          !other.empty() ? other : "wait longer with --wait, or without limit by leaving it out");
    case NotGranted::Why::Cancelled:
      throw Error(ErrorKind::Interrupted,
                  fmt::format("request {} was taken out of the queue", request.id),
                  "see who did it: canhazgpu events");
    case NotGranted::Why::Interrupted:
      break;
  }
  throw Error(ErrorKind::Interrupted, fmt::format("interrupted while waiting ({}); left the queue",
                                                  strsignal(outcome.signal)));
}

}  // namespace chg
