#include "core/changes.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "base/duration_text.h"
#include "base/error.h"
#include "base/text.h"
#include "core/gpu_ids.h"
#include "core/inner.h"
#include "core/limits.h"

namespace chg {
namespace {

// The reservation on this GPU, if the caller may change it.
const Reservation& reservation_to_change(const Pool& pool, const Caller& caller, int gpu) {
  require_gpu(pool, gpu);
  const Reservation* reservation = reservation_of(pool, gpu);
  if (reservation == nullptr) {
    throw Error(ErrorKind::Failed, fmt::format("GPU {} is not reserved", gpu),
                "see who has which GPU: canhazgpu status");
  }
  if (!may_change(caller, reservation->account)) {
    throw Error(ErrorKind::NotPermitted,
                fmt::format("GPU {} is reserved by {}", gpu,
                            printable(display_name(reservation->account, reservation->label), 60)),
                "only its owner, root and the admin group may change it");
  }
  return *reservation;
}

// The GPUs of each reservation that were selected, by its id.
using Selected = std::map<std::string, std::vector<int>>;

void refuse_live_run(const Reservation& run, int gpu) {
  throw Error(ErrorKind::Failed,
              fmt::format("GPU {} is reserved by a live run of {}", gpu,
                          printable(display_name(run.account, run.label), 60)),
              "it is given back when the run ends; end it now with: canhazgpu release --kill "
              "--gpu-ids " +
                  to_id_list(run.gpus));
}

// A run inside a reservation leaves it with all its GPUs, or with none.
void refuse_part_of(const Reservation& inner, const std::vector<int>& named, bool runs) {
  const auto is_named = [&](int gpu) {
    return std::find(named.begin(), named.end(), gpu) != named.end();
  };
  if (std::all_of(inner.gpus.begin(), inner.gpus.end(), is_named)) return;
  std::vector<int> all = named;
  all.insert(all.end(), inner.gpus.begin(), inner.gpus.end());
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  throw Error(
      ErrorKind::Failed,
      fmt::format("nothing was released: a run inside uses {} together", to_gpu_names(inner.gpus)),
      fmt::format("name them all: canhazgpu release {}--gpu-ids {}", runs ? "--kill " : "",
                  to_id_list(all)));
}

// The runs inside a reservation that was named by this GPU: of a run, which ends as a whole, all.
void select_inner(const Pool& pool, const Reservation& outer, int gpu,
                  const ReleaseSelection& selection, Selected& selected) {
  const bool is_run = outer.kind == ReservationKind::Run;
  for (const int one : is_run ? outer.gpus : std::vector<int>{gpu}) {
    for (const Reservation* inner : inner_on(pool, outer, one)) {
      if (!is_run) refuse_part_of(*inner, selection.gpu_ids, selection.runs);
      if (selection.runs) selected[inner->id] = inner->gpus;
    }
  }
}

// Whether a reservation that nobody named by its GPUs is meant. Notes what is left out.
bool is_meant(const Reservation& reservation, const ReleaseSelection& selection,
              Released& released) {
  if (reservation.kind == ReservationKind::Run && !selection.runs) {
    ++released.runs_kept;
    return false;
  }
  if (selection.label && reservation.label != *selection.label) {
    auto& kept = released.labels_kept;
    if (std::find(kept.begin(), kept.end(), reservation.label) == kept.end())
      kept.push_back(reservation.label);
    return false;
  }
  return true;
}

void release_selected(Pool& pool, const Caller& caller, const Selected& selected,
                      const Instant& now, Released& released) {
  for (const auto& [id, gpus] : selected) {
    Reservation* reservation = find_reservation(pool, id);
    if (reservation->kind == ReservationKind::Run) {
      reservation->ending = EndReason::Killed;
      reservation->ending_by = caller.account;
      released.runs.push_back(*reservation);
      continue;
    }
    released.gpus.insert(released.gpus.end(), gpus.begin(), gpus.end());
    end_reservation_on(pool, id, gpus, now, EndReason::Released, caller.account);
  }
  std::sort(released.gpus.begin(), released.gpus.end());
  const auto left = std::stable_partition(released.gpus.begin(), released.gpus.end(), [&](int gpu) {
    return reservation_of(pool, gpu) == nullptr;
  });
  released.left_to_runs.assign(left, released.gpus.end());
  released.gpus.erase(left, released.gpus.end());
}

WallTime extend_one(Reservation& reservation, Duration by) {
  const WallTime longest = reservation.started.wall + kDurationMax;
  const WallTime ends = reservation.ends.value_or(reservation.started.wall) + by;
  if (ends > longest)
    throw Error(ErrorKind::Usage, "a reservation cannot be longer than 3650 days");
  reservation.ends = ends;
  return ends;
}

// Its waiter will find that it was cancelled.
void cancel(Pool& pool, const Caller& caller, const Request& request) {
  pool.cancelled.push_back({request.id, request.waiter, request.last_heartbeat});
  add_event(pool, EventKind::Cancelled, request, caller.account);
  std::erase_if(pool.queue, [&](const Request& one) { return one.id == request.id; });
}

}  // namespace

Released release(Pool& pool, const Caller& caller, const ReleaseSelection& selection,
                 const Instant& now) {
  Released released;
  Selected selected;
  for (const int gpu : selection.gpu_ids) {
    require_gpu(pool, gpu);
    if (reservation_of(pool, gpu) == nullptr) {
      released.not_reserved.push_back(gpu);
      continue;
    }
    const Reservation& reservation = reservation_to_change(pool, caller, gpu);
    const bool is_run = reservation.kind == ReservationKind::Run;
    if (is_run && !selection.runs) refuse_live_run(reservation, gpu);
    selected[reservation.id].push_back(gpu);
    select_inner(pool, reservation, gpu, selection, selected);
  }
  if (selection.gpu_ids.empty()) {
    for (const Reservation& reservation : pool.reservations) {
      if (reservation.account.uid != caller.account.uid) continue;
      // A run inside a run ends with that.
      const Reservation* outer = outer_of(pool, reservation);
      const bool is_part = outer != nullptr && outer->kind == ReservationKind::Run;
      if (is_part && !selection.runs) continue;
      const bool meant = is_meant(reservation, selection, released);
      if (meant) selected[reservation.id] = reservation.gpus;
    }
  }
  release_selected(pool, caller, selected, now, released);
  return released;
}

std::vector<Extended> extend(Pool& pool, const Caller& caller, const std::vector<int>& gpu_ids,
                             Duration by, const std::vector<std::string>& groups) {
  std::vector<std::string> ids;
  for (const int gpu : gpu_ids) {
    const Reservation& reservation = reservation_to_change(pool, caller, gpu);
    if (reservation.kind == ReservationKind::Run) {
      throw Error(ErrorKind::Failed,
                  fmt::format("GPU {} is reserved by a run, which has no expiry", gpu),
                  "only manual reservations can be extended");
    }
    if (std::find(ids.begin(), ids.end(), reservation.id) == ids.end())
      ids.push_back(reservation.id);
  }
  if (gpu_ids.empty()) {
    for (const Reservation& reservation : pool.reservations) {
      const bool mine = reservation.account.uid == caller.account.uid &&
                        reservation.kind == ReservationKind::Manual;
      if (mine) ids.push_back(reservation.id);
    }
  }
  if (ids.empty()) {
    throw Error(ErrorKind::Failed, "you have no manual reservation to extend",
                "reserve GPUs with: canhazgpu reserve --gpus 1 --duration 4h");
  }
  const Limits limits = caller.user_namespace == UserNamespace::First
                            ? limits_on(pool.policy, caller.account.name, groups)
                            : strictest_limits(pool.policy);
  std::vector<Extended> extended;
  for (const std::string& id : ids) {
    Reservation* reservation = find_reservation(pool, id);
    const WallTime expires = extend_one(*reservation, by);
    if (!caller.is_admin) {
      require_duration(pool.policy, limits, expires - reservation->started.wall);
    }
    add_event(pool, EventKind::Extended, *reservation, caller.account).ends = expires;
    extended.push_back({id, reservation->gpus, expires});
  }
  return extended;
}

Request cancel(Pool& pool, const Caller& caller, const std::string& id) {
  const Request* match = nullptr;
  for (const Request& request : pool.queue) {
    if (!id.empty() && request.id.starts_with(id)) {
      if (match != nullptr) {
        throw Error(ErrorKind::Failed,
                    fmt::format("more than one request begins with '{}'", printable(id, 40)),
                    "write more of the id; see: canhazgpu queue");
      }
      match = &request;
    }
  }
  if (match == nullptr) {
    throw Error(ErrorKind::Failed,
                fmt::format("no request '{}' waits in the queue", printable(id, 40)),
                "see who waits: canhazgpu queue");
  }
  if (!may_change(caller, match->account)) {
    throw Error(ErrorKind::NotPermitted,
                fmt::format("request '{}' belongs to {}", match->id,
                            printable(display_name(match->account, match->label), 60)),
                "only its owner, root and the admin group may cancel it");
  }
  Request cancelled = *match;
  cancel(pool, caller, cancelled);
  return cancelled;
}

void clear(Pool& pool, const Caller& caller, const Instant& now) {
  add_event(pool, EventKind::Cleared, caller.account);
  std::vector<std::string> ids;
  for (const Reservation& one : pool.reservations) ids.push_back(one.id);
  std::stable_sort(ids.begin(), ids.end(), [](const std::string& a, const std::string& b) {
    return depth_of(a) > depth_of(b);
  });
  for (const std::string& id : ids)
    end_reservation(pool, id, now, EndReason::Cleared, caller.account);
  while (!pool.queue.empty()) cancel(pool, caller, Request(pool.queue.front()));
}

void set_service(Pool& pool, const Caller& caller, const std::vector<int>& gpus,
                 const std::optional<std::string>& note) {
  for (const int id : gpus) {
    require_gpu(pool, id);
    find_gpu(pool, id)->out_of_service = note;
  }
  if (gpus.empty()) return;
  Event& event = add_event(pool, note ? EventKind::Drained : EventKind::Undrained, caller.account);
  event.gpus = gpus;
  event.note = note.value_or("");
}

}  // namespace chg
