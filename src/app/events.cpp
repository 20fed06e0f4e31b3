#include "app/events.h"

#include "base/error.h"
#include "base/poll.h"

namespace chg {
namespace {

using Show = std::function<void(const std::vector<Event>&)>;

void show_all(EventReader& reader, const Show& show) {
  for (auto events = reader.next(); !events.empty(); events = reader.next()) show(events);
}

// An event that is written late may lie among newer ones.
Show since(WallTime from, const Show& show) {
  return [from, &show](std::vector<Event> events) {
    std::erase_if(events, [&](const Event& event) { return event.at < from; });
    if (!events.empty()) show(events);
  };
}

}  // namespace

std::string host_of_events(Context& context) {
  const Pool pool = context.store().read();
  require_pool(pool);
  return is_of_another_host(pool) ? pool.host.name : std::string();
}

void read_events(Context& context, WallTime from, const Show& show) {
  show_all(*context.store().read_events({.from = from}), since(from, show));
}

void follow_events(Context& context, WallTime from, const Show& show,
                   const std::function<void(const Error&)>& troubled) {
  EventsAsked asked{.from = from};
  bool shows_old = true;
  std::string trouble;
  while (true) {
    try {
      // Listens before it reads, so that no change in between is missed.
      const auto changes = context.store().subscribe_to_changes();
      const auto reader = context.store().read_events(asked);
      while (true) {
        changes->renew();
        for (auto events = reader->next(); !events.empty(); events = reader->next()) {
          shows_old ? since(from, show)(events) : show(events);
          asked = {.after = reader->position()};
        }
        shows_old = false;
        trouble.clear();
        wait_ready({changes->fd()}, std::nullopt);
      }
    } catch (const Error& error) {
      if (!error.is_transient()) throw;
      if (trouble != error.what()) troubled(error);
      trouble = error.what();
      context.close_store();
      wait_ready({}, std::chrono::seconds(1));
    }
  }
}

}  // namespace chg
