#include "store/records.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "store/text_codec.h"

namespace chg::records {
namespace {

using json_text::Members;
using json_text::read_bytes;
using json_text::read_number;
using json_text::read_numbers;
using json_text::write_bytes;
using nlohmann::json;

constexpr int kVersion = 1;

std::string bytes(const Members& record, const char* name) { return read_bytes(record.at(name)); }

template <typename Number>
Number number(const Members& record, const char* name) {
  return read_number<Number>(record.at(name));
}

// Composite values are the texts of text_codec.
template <typename Value>
json composite(const Value& value) {
  return write_bytes(text_codec::write(value));
}

template <typename Value>
void put(json& record, const char* name, const std::optional<Value>& value) {
  if (value) record[name] = composite(*value);
}

template <typename Read>
auto get(const Members& record, const char* name, Read read)
    -> std::optional<decltype(read(std::string()))> {
  const auto found = record.find(name);
  if (!found) return std::nullopt;
  return read(read_bytes(*found));
}

void put_account(json& record, const Account& account, const std::string& label) {
  record["uid"] = account.uid;
  record["account"] = write_bytes(account.name);
  if (!label.empty()) record["label"] = write_bytes(label);
}

Account account_of(const Members& record) {
  return {number<std::uint32_t>(record, "uid"), bytes(record, "account")};
}

std::string optional_bytes(const Members& record, const char* name) {
  const auto found = record.find(name);
  return found ? read_bytes(*found) : "";
}

WallTime wall_time(std::string_view value) {
  return text_codec::read_wall_time(read_number<std::int64_t>(value));
}

}  // namespace

std::string gpu_field(int index) { return fmt::format("{}{}", kGpu, index); }

std::string reservation_field(const std::string& id) {
  return fmt::format("{}{}", kReservation, id);
}

Host host_of(const Pool& pool) {
  Host host{pool.admin_group, pool.creator_uid, pool.next_arrival, {}};
  for (const Gpu& gpu : pool.gpus) host.gpus.push_back(gpu.index);
  return host;
}

json write(const Host& host) {
  return {{"version", kVersion},
          {"admin_group", write_bytes(host.admin_group)},
          {"creator_uid", host.creator_uid},
          {"next_arrival", host.next_arrival},
          {"gpus", host.gpus}};
}

Host read_host(const Members& record) {
  const int version = number<int>(record, "version");
  if (version > kVersion) {
    throw Error(ErrorKind::Failed,
                fmt::format("the pool was made by a newer canhazgpu (its version is {}, "
                            "this program knows {})",
                            version, kVersion),
                "update this canhazgpu");
  }
  return {bytes(record, "admin_group"), number<std::uint32_t>(record, "creator_uid"),
          number<std::uint64_t>(record, "next_arrival"), read_numbers<int>(record.at("gpus"))};
}

json write(const Gpu& gpu) {
  json record = {{"uuid", write_bytes(gpu.uuid)},
                 {"model", write_bytes(gpu.model)},
                 {"last_used_by", text_codec::write(gpu.last_used_by_uid)}};
  if (gpu.out_of_service) record["out_of_service"] = write_bytes(*gpu.out_of_service);
  put(record, "last_released", gpu.last_released);
  if (gpu.unavailable) {
    record["obstacle"] = {{"kind", text_codec::write(gpu.unavailable->kind)},
                          {"seen", composite(gpu.unavailable->seen)},
                          {"what", write_bytes(gpu.unavailable->what)},
                          {"uids", gpu.unavailable->uids}};
  }
  return record;
}

Gpu read_gpu(const Members& record, int index) {
  Gpu gpu;
  gpu.index = index;
  gpu.uuid = bytes(record, "uuid");
  gpu.model = bytes(record, "model");
  gpu.out_of_service = get(record, "out_of_service", [](const std::string& text) { return text; });
  gpu.last_released = get(record, "last_released", text_codec::read_instant);
  gpu.last_used_by_uid = text_codec::read_last_used(bytes(record, "last_used_by"));
  if (const auto found = record.find("obstacle")) {
    const Members unavailable(*found);
    gpu.unavailable = Unavailability{
        text_codec::read_unavailability_kind(bytes(unavailable, "kind")),
        text_codec::read_instant(bytes(unavailable, "seen")), bytes(unavailable, "what"),
        read_numbers<std::uint32_t>(unavailable.at("uids"))};
  }
  return gpu;
}

json write(const Reservation& reservation) {
  json record = {{"kind", text_codec::write(reservation.kind)},
                 {"gpus", reservation.gpus},
                 {"started", composite(reservation.started)},
                 {"last_heartbeat", composite(reservation.last_heartbeat)}};
  put_account(record, reservation.account, reservation.label);
  if (!reservation.note.empty()) record["note"] = write_bytes(reservation.note);
  if (reservation.ends) record["ends"] = text_codec::write(*reservation.ends);
  put(record, "holder", reservation.holder);
  put(record, "supervisor", reservation.supervisor);
  if (!reservation.leftovers.empty()) record["leftovers"] = composite(reservation.leftovers);
  put(record, "ending", reservation.ending);
  if (!reservation.lost.empty()) record["lost"] = reservation.lost;
  return record;
}

Reservation read_reservation(const Members& record, const std::string& id) {
  Reservation reservation;
  reservation.id = id;
  reservation.account = account_of(record);
  reservation.label = optional_bytes(record, "label");
  reservation.note = optional_bytes(record, "note");
  reservation.kind = text_codec::read_kind(bytes(record, "kind"));
  reservation.gpus = read_numbers<int>(record.at("gpus"));
  reservation.started = text_codec::read_instant(bytes(record, "started"));
  reservation.last_heartbeat = text_codec::read_instant(bytes(record, "last_heartbeat"));
  if (const auto ends = record.find("ends")) reservation.ends = wall_time(*ends);
  reservation.holder = get(record, "holder", text_codec::read_process);
  reservation.supervisor = get(record, "supervisor", text_codec::read_process);
  reservation.leftovers = text_codec::read_processes(optional_bytes(record, "leftovers"));
  reservation.ending = get(record, "ending", text_codec::read_end);
  if (const auto lost = record.find("lost")) reservation.lost = read_numbers<int>(*lost);
  return reservation;
}

json write(const std::vector<Cancelled>& cancelled) {
  json records = json::array();
  for (const Cancelled& one : cancelled) {
    records.push_back({{"id", write_bytes(one.id)},
                       {"waiter", composite(one.waiter)},
                       {"last_heartbeat", composite(one.last_heartbeat)}});
  }
  return {{"requests", std::move(records)}};
}

std::vector<Cancelled> read_cancelled(const Members& record) {
  std::vector<Cancelled> cancelled;
  for (const std::string_view request : json_text::read_elements(record.at("requests"))) {
    const Members one(request);
    cancelled.push_back({bytes(one, "id"), text_codec::read_process(bytes(one, "waiter")),
                         text_codec::read_instant(bytes(one, "last_heartbeat"))});
  }
  return cancelled;
}

json write(const Request& request) {
  json record = {{"arrival", request.arrival},
                 {"kind", text_codec::write(request.kind)},
                 {"count", request.count},
                 {"gpus", request.gpu_ids},
                 {"force", request.force},
                 {"enqueued", composite(request.enqueued)},
                 {"last_heartbeat", composite(request.last_heartbeat)},
                 {"waiter", composite(request.waiter)}};
  put_account(record, request.account, request.label);
  if (!request.note.empty()) record["note"] = write_bytes(request.note);
  if (request.duration) record["duration"] = request.duration->count();
  return record;
}

Request read_request(const Members& record, const std::string& id) {
  Request request;
  request.id = id;
  request.arrival = number<std::uint64_t>(record, "arrival");
  request.account = account_of(record);
  request.label = optional_bytes(record, "label");
  request.note = optional_bytes(record, "note");
  request.kind = text_codec::read_kind(bytes(record, "kind"));
  request.count = number<int>(record, "count");
  request.gpu_ids = read_numbers<int>(record.at("gpus"));
  request.force = json_text::read_flag(record.at("force"));
  if (const auto found = record.find("duration")) {
    request.duration = Duration(read_number<std::int64_t>(*found));
  }
  request.enqueued = text_codec::read_instant(bytes(record, "enqueued"));
  request.last_heartbeat = text_codec::read_instant(bytes(record, "last_heartbeat"));
  request.waiter = text_codec::read_process(bytes(record, "waiter"));
  return request;
}

json write(const Usage& usage) {
  const UsageRecord& record = usage.record;
  json value = {{"reservation", write_bytes(record.reservation_id)},
                {"gpu", record.gpu},
                {"kind", text_codec::write(record.kind)},
                {"started", text_codec::write(record.started)},
                {"ended", text_codec::write(record.ended)},
                {"how", text_codec::write(record.end)},
                {"commit", usage.commit},
                {"place", usage.place}};
  put_account(value, record.account, record.label);
  return value;
}

Usage read_usage(const Members& record) {
  Usage usage;
  usage.record.reservation_id = bytes(record, "reservation");
  usage.record.gpu = number<int>(record, "gpu");
  usage.record.account = account_of(record);
  usage.record.label = optional_bytes(record, "label");
  usage.record.kind = text_codec::read_kind(bytes(record, "kind"));
  usage.record.started = wall_time(record.at("started"));
  usage.record.ended = wall_time(record.at("ended"));
  usage.record.end = text_codec::read_end(bytes(record, "how"));
  usage.commit = number<std::int64_t>(record, "commit");
  usage.place = number<std::int64_t>(record, "place");
  return usage;
}

}  // namespace chg::records
