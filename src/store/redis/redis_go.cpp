#include "store/redis/redis_go.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "base/duration_text.h"
#include "store/redis/redis_json.h"

namespace chg::redis_go {
namespace {

using nlohmann::json;
using redis_json::text_member;
using redis_json::time_member;
using redis_json::to_rfc3339_nano;
using redis_json::unix_seconds;

// More GPUs than any host has; keeps sums from overflowing.
constexpr std::int64_t kCountMax = 100'000;

const char* type_of(ReservationKind kind) {
  return kind == ReservationKind::Run ? "run" : "manual";
}

ReservationKind kind_of(const std::string& type) {
  return type == "manual" ? ReservationKind::Manual : ReservationKind::Run;
}

void put_people(json& value, const Account& account, const std::string& label) {
  value["user"] = label.empty() ? account.name : label;
  value["actual_user"] = account.name;
}

Account account_of(const json& value, const UidOf& uid_of) {
  std::string name = text_member(value, "actual_user");
  if (name.empty()) name = text_member(value, "user");
  return {uid_of(name).value_or(kUnknownUid), name};
}

std::string label_of(const json& value, const Account& account) {
  const std::string user = text_member(value, "user");
  return user == account.name ? "" : user;
}

// A process that nobody can see from anywhere: neither of this boot nor of this host.
ProcessIdentity unseen() { return {"elsewhere, unknown", "unknown", 0, 0, 0}; }

Instant at(WallTime wall) { return {wall, {}, ""}; }

// The same for the same texts, today and tomorrow (FNV-1a), in letters that people can read.
std::string made_id(std::initializer_list<std::string> parts) {
  constexpr std::string_view kLetters = "0123456789abcdefghjkmnpqrstvwxyz";
  std::uint64_t hash = 14695981039346656037U;
  for (const std::string& part : parts) {
    for (const char byte : part + '\0') {
      hash = (hash ^ static_cast<unsigned char>(byte)) * 1099511628211U;
    }
  }
  std::string id = "go-";
  for (int i = 0; i < 8; ++i, hash >>= 5U) id += kLetters[hash % kLetters.size()];
  return id;
}

std::int64_t number_member(const json& value, const char* name, std::int64_t otherwise) {
  const auto found = value.find(name);
  if (found == value.end() || !found->is_number_integer()) return otherwise;
  if (found->is_number_unsigned() && found->get<std::uint64_t>() > INT64_MAX) return otherwise;
  return found->get<std::int64_t>();
}

// Ascending, each once.
std::vector<int> ids_member(const json& value, const char* name) {
  std::vector<int> ids;
  const auto found = value.find(name);
  if (found == value.end() || !found->is_array()) return ids;
  for (const json& id : *found) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() > kCountMax) continue;
    ids.push_back(id.get<int>());
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

}  // namespace

json write_free(WallTime last_released) {
  return {{"last_released", to_rfc3339_nano(last_released)}};
}

json write_held(const Reservation& reservation) {
  json value = {{"type", type_of(reservation.kind)},
                {"start_time", unix_seconds(reservation.started.wall)}};
  put_people(value, reservation.account, reservation.label);
  if (!reservation.note.empty()) value["note"] = reservation.note;
  if (reservation.kind == ReservationKind::Run) {
    value["last_heartbeat"] = unix_seconds(reservation.last_heartbeat.wall);
  } else if (reservation.ends) {
    value["expiry_time"] = unix_seconds(*reservation.ends);
  }
  return value;
}

json write_entry(const Request& request) {
  json value = {{"id", request.id},
                {"requested_count", request.gpu_ids.empty() ? request.count : 1},
                {"allocated_gpus", json::array()},
                {"reservation_type", type_of(request.kind)},
                {"enqueue_time", to_rfc3339_nano(request.enqueued.wall)},
                {"last_heartbeat", to_rfc3339_nano(request.last_heartbeat.wall)}};
  put_people(value, request.account, request.label);
  if (!request.gpu_ids.empty()) value["requested_ids"] = request.gpu_ids;
  if (!request.note.empty()) value["note"] = request.note;
  if (request.kind == ReservationKind::Manual && request.duration) {
    value["expiry_duration"] = request.duration->count();
  }
  return value;
}

json write_usage(const UsageRecord& record) {
  const std::chrono::duration<double> lasted = record.ended - record.started;
  return {{"user", record.label.empty() ? record.account.name : record.label},
          {"gpu_id", record.gpu},
          {"start_time", to_rfc3339_nano(record.started)},
          {"end_time", to_rfc3339_nano(record.ended)},
          {"duration_seconds", lasted.count()},
          {"reservation_type", type_of(record.kind)}};
}

std::optional<Held> read_held(const json& value, int gpu, const UidOf& uid_of) {
  if (text_member(value, "user").empty() && text_member(value, "actual_user").empty()) {
    return std::nullopt;
  }
  Held held;
  Reservation& reservation = held.reservation;
  reservation.account = account_of(value, uid_of);
  reservation.label = label_of(value, reservation.account);
  reservation.note = text_member(value, "note");
  const std::string type = text_member(value, "type");
  reservation.kind = kind_of(type);
  reservation.gpus = {gpu};
  const auto started = time_member(value, "start_time");
  const auto heartbeat = time_member(value, "last_heartbeat");
  reservation.started = at(started.value_or(heartbeat.value_or(WallTime{})));
  reservation.last_heartbeat = at(heartbeat.value_or(reservation.started.wall));
  reservation.ends = time_member(value, "expiry_time");
  // One without any time could be of any age; nobody ends it but by hand.
  if (reservation.kind == ReservationKind::Run && (started || heartbeat))
    reservation.holder = unseen();
  held.queue_id = text_member(value, "partial_queue_id");
  const std::string since = held.queue_id.empty()
                                ? std::to_string(unix_seconds(reservation.started.wall))
                                : held.queue_id;
  reservation.id = made_id({text_member(value, "user"), reservation.account.name, type, since});
  return held;
}

std::optional<WallTime> read_last_released(const json& value) {
  return time_member(value, "last_released");
}

Request read_entry(const json& value, const std::string& id, double score, const UidOf& uid_of) {
  Request request;
  request.id = id;
  request.account = account_of(value, uid_of);
  request.label = label_of(value, request.account);
  request.note = text_member(value, "note");
  request.kind = kind_of(text_member(value, "reservation_type"));
  request.gpu_ids = ids_member(value, "requested_ids");
  // Beside named GPUs the count is 1, however many are named.
  const auto count = number_member(value, "requested_count", 1);
  request.count =
      static_cast<int>(request.gpu_ids.empty() ? std::clamp<std::int64_t>(count, 1, kCountMax)
                                               : static_cast<std::int64_t>(request.gpu_ids.size()));
  const auto duration = number_member(value, "expiry_duration", 0);
  if (duration > 0) request.duration = std::min<Duration>(Duration(duration), kDurationMax);
  const auto by_score = redis_json::read_time(score / 1e9).value_or(WallTime{});
  request.enqueued = at(time_member(value, "enqueue_time").value_or(by_score));
  const auto heartbeat = time_member(value, "last_heartbeat").value_or(request.enqueued.wall);
  request.last_heartbeat = at(heartbeat - (kRunPatience - kQueuePatience));
  request.waiter = unseen();
  request.takes_itself = true;
  return request;
}

std::optional<UsageRecord> read_usage(const json& value, const UidOf& uid_of) {
  const auto started = time_member(value, "start_time");
  const auto ended = time_member(value, "end_time");
  const std::int64_t gpu = number_member(value, "gpu_id", -1);
  if (!started || !ended || gpu < 0 || gpu > kCountMax) return std::nullopt;
  UsageRecord record;
  record.gpu = static_cast<int>(gpu);
  record.account = account_of(value, uid_of);
  record.label = label_of(value, record.account);
  const std::string type = text_member(value, "reservation_type");
  record.kind = kind_of(type);
  record.started = *started;
  record.ended = *ended;
  // It does not say how a use ended.
  record.end = record.kind == ReservationKind::Run ? EndReason::Finished : EndReason::Released;
  record.reservation_id = made_id({text_member(value, "user"), record.account.name, type,
                                   std::to_string(unix_seconds(record.started))});
  return record;
}

}  // namespace chg::redis_go
