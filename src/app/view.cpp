#include "app/view.h"

#include <optional>

#include "app/new_store.h"
#include "app/pool_update.h"
#include "base/error.h"
#include "core/reap.h"
#include "core/schedule.h"
#include "process/identity.h"

namespace chg {
namespace {

// Of another host's pool, for show: what is over there, its own commands end.
Pool without_ended(const Host& host, Pool pool) {
  const Circumstances given = host.circumstances();
  bring_up_to_date(pool, given);
  drop_gone_waiters(pool, given);
  return pool;
}

Pool read_pool(Host& host) {
  Pool pool = host.store().read();
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
Pool current_pool(Host& host, const Observation* observation) {
  Pool pool = read_pool(host);
  if (is_of_another_host(pool)) return without_ended(host, std::move(pool));
  const Pool before = pool;
  const Circumstances given = host.circumstances(observation);
  bring_up_to_date(pool, given);
  drop_gone_waiters(pool, given);
  reclaim_lost_gpus(pool);
  // What was seen matters to the store only if somebody waits for it.
  if (!is_over(before, pool) && (pool.queue.empty() || pool == before)) return pool;
  try {
    return update_pool(host, observation, drop_gone_waiters);
  } catch (const Error&) {
    return pool;
  }
}

std::string elsewhere(const Pool& pool) {
  return is_of_another_host(pool) ? pool.host.name : std::string();
}

Overview stored_status(const Host& host, const Pool& pool) {
  return overview(pool, host.circumstances());
}

Report stored_report(const Host& host, const Pool& pool, Store& store, int days, ReportBy by) {
  const WallTime now = host.now().wall;
  const WallTime from = now - std::chrono::hours(24) * days;
  UsageSums sums(from, now, by, local_day);
  const auto history = store.read_history(from);
  for (auto records = history->next(); !records.empty(); records = history->next()) {
    for (const UsageRecord& record : records) sums.add(record);
  }
  for (const Reservation& held : pool.reservations) sums.add(held);
  return sums.finish();
}

Pool pool_of(const Host& host, const Neighbour& neighbour) {
  Pool pool = neighbour.store->read();
  if (pool.gpus.empty()) {
    throw Error(ErrorKind::Failed, "its pool is gone from the Redis",
                "if it is not coming back: redis-cli HDEL canhazgpu:hosts NAME");
  }
  return without_ended(host, std::move(pool));
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

bool has_no_pool(Host& host) {
  if (!store_exists(host)) return true;
  try {
    return host.store().read().gpus.empty();
  } catch (const Error&) {
    return false;
  }
}

// `here` shows this host; `there`, a neighbour from its pool.
template <typename View, typename Here, typename There>
std::vector<HostView<View>> view_all(Host& host, const Here& here, const There& there) {
  std::vector<HostView<View>> all = {attempt<View>(this_host().name, here)};
  HostView<View>& own = all.front();
  if (own.view && !own.view->elsewhere.empty()) own.host = own.view->elsewhere;
  if (!own.view) own.has_no_pool = has_no_pool(host);
  std::vector<Neighbour> neighbours;
  try {
    if (store_exists(host)) neighbours = host.store().neighbours();
  } catch (const Error&) {
    return all;  // which has said already why the store can't be read
  }
  for (const Neighbour& neighbour : neighbours) {
    all.push_back(attempt<View>(neighbour.host, [&] {
      View view = there(pool_of(host, neighbour), neighbour);
      view.elsewhere = neighbour.host;
      return view;
    }));
  }
  return all;
}

}  // namespace

Overview view_status(Host& host) {
  const Pool before = read_pool(host);
  if (is_of_another_host(before)) {
    Overview seen = stored_status(host, without_ended(host, before));
    seen.elsewhere = before.host.name;
    return seen;
  }
  std::optional<Observation> observation;
  std::string failure;
  try {
    observation = host.glance(before);
  } catch (const Error& error) {
    failure = error.what();
    observation = host.last_seen(before);
  }
  const Pool pool = current_pool(host, failure.empty() ? &*observation : nullptr);
  return overview(pool, host.circumstances(observation ? &*observation : nullptr), failure);
}

QueueOverview view_queue(Host& host) {
  const Pool pool = current_pool(host, nullptr);
  QueueOverview seen = queue_overview(pool, host.now());
  seen.elsewhere = elsewhere(pool);
  return seen;
}

Report view_report(Host& host, int days, ReportBy by) {
  const Pool pool = current_pool(host, nullptr);
  Report seen = stored_report(host, pool, host.store(), days, by);
  seen.elsewhere = elsewhere(pool);
  return seen;
}

std::vector<HostView<Overview>> view_all_status(Host& host) {
  return view_all<Overview>(
      host, [&] { return view_status(host); },
      [&](const Pool& pool, const Neighbour& /*one*/) { return stored_status(host, pool); });
}

std::vector<HostView<QueueOverview>> view_all_queues(Host& host) {
  return view_all<QueueOverview>(
      host, [&] { return view_queue(host); },
      [&](const Pool& pool, const Neighbour& /*one*/) { return queue_overview(pool, host.now()); });
}

std::vector<HostView<Report>> view_all_reports(Host& host, int days, ReportBy by) {
  return view_all<Report>(
      host, [&] { return view_report(host, days, by); },
      [&](const Pool& pool, const Neighbour& one) {
        return stored_report(host, pool, *one.store, days, by);
      });
}

}  // namespace chg
