#include "app/view.h"

#include <optional>

#include "app/new_store.h"
#include "app/pool_update.h"
#include "base/error.h"
#include "base/shell_word.h"
#include "core/reap.h"
#include "core/restore.h"
#include "core/schedule.h"
#include "process/identity.h"

namespace chg {
namespace {

// Of another host's pool, for show: what is over there, its own commands end.
Pool without_ended(const Context& context, Pool pool) {
  const Circumstances given = context.circumstances();
  bring_up_to_date(pool, given);
  drop_gone_waiters(pool, given);
  return pool;
}

Pool read_pool(Context& context) {
  Pool pool = context.store().read();
  require_pool(pool);
  return pool;
}

// Whether more differs than what was seen of the GPUs.
bool is_over(const Pool& before, const Pool& pool) {
  return pool.reservations != before.reservations || pool.queue != before.queue ||
         pool.cancelled != before.cancelled;
}

// The pool as it is now: without what is over, and with what could be granted granted. Written back
// if that changed it and the store lets us; shown in either case.
Pool current_pool(Context& context, const Observation* observation) {
  Pool pool = read_pool(context);
  if (is_of_another_host(pool)) return without_ended(context, std::move(pool));
  const Pool before = pool;
  const Circumstances given = context.circumstances(observation);
  bring_up_to_date(pool, given);
  drop_gone_waiters(pool, given);
  reclaim_lost_gpus(pool);
  // What was seen matters to the store only if somebody waits for it.
  if (!is_over(before, pool) && (pool.queue.empty() || pool == before)) return pool;
  try {
    return update_pool(context, observation, drop_gone_waiters);
  } catch (const Error&) {
    return pool;
  }
}

std::string elsewhere(const Pool& pool) {
  return is_of_another_host(pool) ? pool.host.name : std::string();
}

// Who looks, as one who asks for a GPU; nullopt: he may only look.
std::optional<Request> asker_of(const Context& context, const Pool& pool) {
  try {
    return context.request_of_caller(pool);
  } catch (const Error&) {
    return std::nullopt;
  }
}

Overview stored_status(const Context& context, const Pool& pool) {
  return overview(pool, context.circumstances());
}

Report stored_report(const Context& context, const Pool& pool, Store& store, int days,
                     ReportBy by) {
  const WallTime now = context.now().wall;
  const WallTime from = now - std::chrono::hours(24) * days;
  UsageSums sums(from, now, by, local_day);
  const auto ends = store.read_events({.from = from, .only_ends = true});
  for (auto events = ends->next(); !events.empty(); events = ends->next()) {
    for (const Event& event : events) {
      for (const UsageRecord& record : usage_of(event)) sums.add(record);
    }
  }
  sums.add_running(pool);
  return sums.finish();
}

Pool pool_of(const Context& context, const Neighbour& neighbour) {
  Pool pool = neighbour.store->read();
  if (pool.gpus.empty()) {
    throw Error(
        ErrorKind::Failed, "its pool is gone from the Redis",
        "if it is not coming back: redis-cli HDEL canhazgpu:hosts " + shell_word(neighbour.host));
  }
  return without_ended(context, std::move(pool));
}

// What `view` shows, or why it doesn't.
template <typename View, typename Looked>
HostView<View> attempt(const std::string& name, const Looked& look) {
  HostView<View> shown{name, std::nullopt, "", "", false};
  try {
    shown.view = look();
  } catch (const Error& error) {
    shown.error = error.what();
    shown.hint = error.hint();
  }
  return shown;
}

bool has_no_pool(Context& context) {
  if (!store_exists(context)) return true;
  try {
    return context.store().read().gpus.empty();
  } catch (const Error&) {
    return false;
  }
}

// `here` shows this host; `there`, a neighbour from its pool.
template <typename View, typename Here, typename There>
std::vector<HostView<View>> view_all(Context& context, const Here& here, const There& there) {
  std::vector<HostView<View>> all = {attempt<View>(this_host().name, here)};
  HostView<View>& own = all.front();
  if (own.view && !own.view->elsewhere.empty()) own.host = own.view->elsewhere;
  if (!own.view) own.has_no_pool = has_no_pool(context);
  std::vector<Neighbour> neighbours;
  try {
    if (store_exists(context)) neighbours = context.store().neighbours();
  } catch (const Error&) {
    return all;  // which has said already why the store can't be read
  }
  for (const Neighbour& neighbour : neighbours) {
    all.push_back(attempt<View>(neighbour.host, [&] {
      View view = there(pool_of(context, neighbour), neighbour);
      view.elsewhere = neighbour.host;
      return view;
    }));
  }
  return all;
}

}  // namespace

Overview view_status(Context& context) {
  const Pool before = read_pool(context);
  if (is_of_another_host(before)) {
    Overview seen = stored_status(context, without_ended(context, before));
    seen.elsewhere = before.host.name;
    return seen;
  }
  std::optional<Observation> observation;
  std::string failure;
  try {
    observation = context.cached_reading(before);
  } catch (const Error& error) {
    failure = error.what();
    observation = context.last_reading(before);
  }
  // What this user sees in his own way is for his eyes alone.
  const bool decides = failure.empty() && !context.has_own_probe(before);
  const Pool pool = current_pool(context, decides ? &*observation : nullptr);
  Pool shown = pool;
  shown.policy = seen_with(pool.policy, context.options().view);
  Overview seen =
      overview(shown, context.circumstances(observation ? &*observation : nullptr), failure);
  const auto asker = decides ? asker_of(context, pool) : std::nullopt;
  if (asker) tell_available(seen, pool, *observation, *asker);
  return seen;
}

QueueOverview view_queue(Context& context) {
  const Pool pool = current_pool(context, nullptr);
  QueueOverview seen = queue_overview(pool, context.now());
  seen.elsewhere = elsewhere(pool);
  return seen;
}

Report view_report(Context& context, int days, ReportBy by) {
  const Pool pool = current_pool(context, nullptr);
  Report seen = stored_report(context, pool, context.store(), days, by);
  seen.elsewhere = elsewhere(pool);
  return seen;
}

std::vector<HostView<Overview>> view_all_status(Context& context) {
  return view_all<Overview>(
      context, [&] { return view_status(context); },
      [&](const Pool& pool, const Neighbour& /*one*/) { return stored_status(context, pool); });
}

std::vector<HostView<QueueOverview>> view_all_queues(Context& context) {
  return view_all<QueueOverview>(
      context, [&] { return view_queue(context); },
      [&](const Pool& pool, const Neighbour& /*one*/) {
        return queue_overview(pool, context.now());
      });
}

std::vector<HostView<Report>> view_all_reports(Context& context, int days, ReportBy by) {
  return view_all<Report>(
      context, [&] { return view_report(context, days, by); },
      [&](const Pool& pool, const Neighbour& one) {
        return stored_report(context, pool, *one.store, days, by);
      });
}

}  // namespace chg
