// A pool in which every field of every struct has a value of its own, and an odd one.
#pragma once

#include <limits>
#include <string>

#include "core/pool.h"

namespace chg {

/// Quotes, newlines, SQL, a text that no UTF-8 is, and every byte but NUL.
inline std::string odd_text(const std::string& name) {
  std::string text =
      name + " 'q\"uo`te; DROP TABLE gpu;--\n\r\t%s \\0 \xc3\x28\xff \xf0\x9f\x98\x80 ";
  for (int byte = 1; byte < 256; ++byte) text += static_cast<char>(byte);
  return text;
}

inline std::string long_text() { return std::string(10'000, 'x') + "\xe2\x82\xac"; }

/// Instants that differ in each part. `boot_id` may hold anything but a newline.
inline Instant odd_instant(int n) {
  return {WallTime(std::chrono::nanoseconds(1795525200123456789 + n)),
          BootTime(987654321012345 + n), "boot id " + std::to_string(n)};
}

inline ProcessIdentity odd_process(int n) {
  return {"host's \"name\" " + std::to_string(n), "boot-" + std::to_string(n),
          std::numeric_limits<std::uint64_t>::max() - static_cast<std::uint64_t>(n),
          std::numeric_limits<int>::max() - n,
          std::numeric_limits<std::uint64_t>::max() - 100 - static_cast<std::uint64_t>(n)};
}

inline Gpu full_gpu(int index) {
  constexpr auto kUidMax = std::numeric_limits<std::uint32_t>::max();
  Gpu gpu;
  gpu.index = index;
  gpu.uuid = odd_text("uuid") + std::to_string(index);
  gpu.model = odd_text("model");
  gpu.out_of_service = odd_text("note");
  gpu.last_released = odd_instant(1);
  gpu.unavailable = Unavailability{
      Unavailability::Kind::UnreservedUse, odd_instant(2), odd_text("by"), {0, 1000, kUidMax}};
  gpu.last_used_by_uid = {
      {0, WallTime(std::chrono::nanoseconds(-5))},
      {kUidMax, WallTime(std::chrono::nanoseconds(std::numeric_limits<std::int64_t>::max()))}};
  return gpu;
}

inline Policy full_policy() {
  Policy policy;
  policy.allocation = AllocationPolicy::MostRecentlyPerUser;
  policy.heartbeat_interval = std::chrono::nanoseconds(1);
  policy.heartbeat_timeout = Duration(std::numeric_limits<std::int64_t>::max());
  policy.process_threshold_mib = std::numeric_limits<std::uint64_t>::max();
  policy.memory_threshold_mib = 0;
  policy.ignore_processes = {odd_text("program"), ""};
  policy.probe = odd_text("probe");
  policy.contact = odd_text("contact");
  policy.leftovers_grace = std::chrono::seconds(7);
  policy.history_kept = std::chrono::hours(24);
  policy.default_timeout = std::chrono::seconds(7);
  policy.limits = {{"", 1, {}, {}, {}},
                   {odd_text("subject"), std::numeric_limits<int>::max(), std::chrono::hours(1),
                    std::chrono::hours(2), 0}};
  return policy;
}

inline Reservation full_reservation(const std::string& id, int n) {
  Reservation reservation;
  reservation.id = id;
  reservation.account = {std::numeric_limits<std::uint32_t>::max(), odd_text("account")};
  reservation.label = odd_text("label");
  reservation.note = long_text();
  reservation.command = odd_text("command");
  reservation.kind = ReservationKind::Manual;
  reservation.gpus = {0, 7, 9'999};
  reservation.lost = {1, 9'998};
  reservation.started = odd_instant(10 + n);
  reservation.grant = (std::uint64_t{1} << 53U) - 1;
  reservation.last_heartbeat = odd_instant(20 + n);
  reservation.ends = WallTime(std::chrono::nanoseconds(std::numeric_limits<std::int64_t>::max()));
  reservation.holder = odd_process(1);
  reservation.supervisor = odd_process(2);
  reservation.leftovers = {odd_process(3), odd_process(4)};
  reservation.ending = EndReason::Killed;
  reservation.ending_by = Account{0, odd_text("killer")};
  return reservation;
}

inline Request full_request(const std::string& id, std::uint64_t arrival) {
  Request request;
  request.id = id;
  request.arrival = arrival;
  request.account = {4'000'000'000U, odd_text("account")};
  request.label = long_text();
  request.note = odd_text("note");
  request.command = odd_text("command");
  request.kind = ReservationKind::Manual;
  request.count = std::numeric_limits<int>::max();
  request.gpu_ids = {1, 2, 30};
  request.visible = {1, 30, 31};
  request.process_threshold_mib = 7;
  request.memory_threshold_mib = 0;
  request.avoided = {2, 30};
  request.force = true;
  request.duration = Duration(std::numeric_limits<std::int64_t>::max());
  request.enqueued = odd_instant(30);
  request.last_heartbeat = odd_instant(31);
  request.waiter = odd_process(5);
  request.passed_over = true;
  return request;
}

inline Reservation full_granted_reservation(const std::string& id, int n) {
  Reservation reservation = full_reservation(id, n);
  reservation.request = full_request(id, 7);
  return reservation;
}

/// Full structs, and beside each an empty one.
inline Pool full_pool() {
  Pool pool;
  pool.provider = odd_text("provider");
  pool.admin_group = odd_text("group");
  pool.absent_drains = {{odd_text("uuid of one that left"), odd_text("note")}, {}};
  pool.creator_uid = std::numeric_limits<std::uint32_t>::max();
  pool.next_arrival = std::numeric_limits<std::int64_t>::max();
  pool.policy = full_policy();
  pool.host = {odd_text("host"), "boot-7"};
  pool.recall = {odd_instant(40), {"lost", odd_text("run")}, odd_text("server")};
  pool.gpus = {full_gpu(0), Gpu{}, full_gpu(2)};
  pool.gpus[1].index = 1;
  pool.gpus[2].unavailable->kind = Unavailability::Kind::Error;
  pool.gpus[2].unavailable->uids.clear();
  pool.gpus[2].out_of_service = "";
  pool.reservations = {Reservation{}, full_granted_reservation(odd_text("id"), 1),
                       full_reservation("", 2)};
  pool.reservations[0].id = "bare";
  pool.queue = {Request{}, full_request(odd_text("id"), 5),
                full_request("last", std::numeric_limits<std::int64_t>::max())};
  pool.queue[0].id = "bare";
  pool.cancelled = {{odd_text("cancelled"), odd_process(6), odd_instant(40)}, {}};
  return pool;
}

inline UsageRecord usage_record(const std::string& id, int gpu, int ended_s) {
  UsageRecord record;
  record.reservation_id = id;
  record.gpu = gpu;
  record.account = {1000, "alice"};
  record.grant = (std::uint64_t{1} << 53U) - 1;
  record.ended = WallTime(std::chrono::seconds(ended_s));
  return record;
}

/// The event of that record.
inline Event usage_event(const std::string& id, int gpu, int ended_s) {
  return ended_event(usage_record(id, gpu, ended_s));
}

/// Every field has a value of its own, and an odd one.
inline Event full_event(EventKind kind) {
  Event event;
  event.kind = kind;
  event.at = WallTime(std::chrono::nanoseconds(1795525200123456789));
  event.actor = Account{0, odd_text("actor")};
  event.id = odd_text("id");
  event.owner = {std::numeric_limits<std::uint32_t>::max(), odd_text("owner")};
  event.label = long_text();
  event.note = odd_text("note");
  event.command = odd_text("command");
  event.reservation_kind = ReservationKind::Manual;
  event.count = std::numeric_limits<int>::max();
  event.gpus = {0, 7, 9'999};
  event.started = WallTime(std::chrono::nanoseconds(-7));
  event.how = EndReason::Cleared;
  event.ends = WallTime(std::chrono::nanoseconds(std::numeric_limits<std::int64_t>::max()));
  event.detail = odd_text("detail");
  return event;
}

}  // namespace chg
