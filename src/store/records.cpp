#include "store/records.h"

#include <algorithm>
#include <functional>
#include <stdexcept>

#include <fmt/format.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "core/fields.h"

namespace chg::records {

// What is known of the pool beside the lists in it.
struct Settings {
  int version = 0;
  std::string admin_group;
  std::uint32_t creator_uid = 0;
  std::uint64_t next_arrival = 1;
  std::vector<AbsentDrain> absent_drains;
};

constexpr auto fields_of(const Settings*) {
  return std::tuple(
      field("version", &Settings::version), field("admin_group", &Settings::admin_group),
      field("creator_uid", &Settings::creator_uid), field("next_arrival", &Settings::next_arrival),
      maybe("absent_drains", &Settings::absent_drains));
}

struct CancelledList {
  std::vector<Cancelled> requests;
};

constexpr auto fields_of(const CancelledList*) {
  return std::tuple(field("requests", &CancelledList::requests));
}

namespace {

// Of the records together. A later one may hold what this program would not understand.
constexpr int kVersion = 1;

constexpr std::string_view kSettings = "settings";
constexpr std::string_view kCancelled = "cancelled";
constexpr std::string_view kIdentity = "identity";
constexpr std::string_view kRecall = "recall";
constexpr std::string_view kGpu = "gpu:";
constexpr std::string_view kReservation = "reservation:";
constexpr std::string_view kRequest = "request:";

std::string field_of(const Gpu& gpu) { return fmt::format("{}{}", kGpu, gpu.index); }
std::string field_of(const Reservation& reservation) {
  return fmt::format("{}{}", kReservation, reservation.id);
}
std::string field_of(const Request& request) { return fmt::format("{}{}", kRequest, request.id); }

[[noreturn]] void refuse(std::string_view field) {
  throw Error(ErrorKind::Failed,
              fmt::format("the store is damaged: nothing that canhazgpu writes is in '{}'",
                          printable(field, 60)),
              "take it out, and end all reservations with: canhazgpu admin --force");
}

// More GPUs than this are a mistake.
constexpr int kGpuIndexMax = 9'999;

// Lists of GPUs are ascending wherever they are read.
void require_indices(const std::vector<int>& gpus) {
  const bool is_ascending =
      std::adjacent_find(gpus.begin(), gpus.end(), std::greater_equal<>()) == gpus.end();
  const bool is_in_range = gpus.empty() || (gpus.front() >= 0 && gpus.back() <= kGpuIndexMax);
  if (!is_ascending || !is_in_range) throw std::invalid_argument("no list of GPUs");
}

void require_sane(const Request& request) {
  require_indices(request.gpu_ids);
  if (request.visible) require_indices(*request.visible);
  require_indices(request.avoided);
  if (request.count < 0) throw std::invalid_argument("no count of GPUs");
}

Reservation read_reservation(std::string_view id, std::string_view record) {
  Reservation reservation = read_json<Reservation>(record);
  reservation.id = id;
  require_indices(reservation.gpus);
  require_indices(reservation.lost);
  if (reservation.request) require_sane(*reservation.request);
  return reservation;
}

Request read_request(std::string_view id, std::string_view record) {
  Request request = read_json<Request>(record);
  request.id = id;
  require_sane(request);
  return request;
}

// Whether a damaged one was drained can't be known any more, so it is taken for drained.
Gpu read_gpu(int index, std::string_view record) {
  Gpu gpu;
  try {
    gpu = read_json<Gpu>(record);
  } catch (const std::invalid_argument&) {
    gpu = Gpu{};
    gpu.out_of_service = "its record in the store was damaged";
  }
  gpu.index = index;
  return gpu;
}

void read_settings(Pool& pool, std::string_view record) {
  Settings settings = read_json<Settings>(record);
  if (settings.version > kVersion) {
    throw Error(ErrorKind::Failed,
                fmt::format("the pool was made by a newer canhazgpu (its version is {}, "
                            "this program knows {})",
                            settings.version, kVersion),
                "update this canhazgpu");
  }
  pool.admin_group = std::move(settings.admin_group);
  pool.creator_uid = settings.creator_uid;
  pool.next_arrival = settings.next_arrival;
  pool.absent_drains = std::move(settings.absent_drains);
}

void add_any(Pool& pool, std::string_view field, std::string_view record) {
  const auto behind = [&](std::string_view kind) { return field.substr(kind.size()); };
  if (field == kSettings) {
    read_settings(pool, record);
  } else if (field == kProvider) {
    pool.provider = record;
  } else if (field == kPolicy) {
    pool.policy = read_json<Policy>(record);
  } else if (field == kIdentity) {
    pool.host = json_codec::parse_one_text<HostIdentity>(record);
  } else if (field == kRecall) {
    pool.recall = read_json<Recall>(record);
  } else if (field == kCancelled) {
    pool.cancelled = read_json<CancelledList>(record).requests;
  } else if (field.starts_with(kGpu)) {
    const int index = json_codec::parse_number<int>(behind(kGpu));
    if (index < 0 || index > kGpuIndexMax) throw std::invalid_argument("no index of a GPU");
    pool.gpus.push_back(read_gpu(index, record));
  } else if (field.starts_with(kReservation)) {
    pool.reservations.push_back(read_reservation(behind(kReservation), record));
  } else if (field.starts_with(kRequest)) {
    pool.queue.push_back(read_request(behind(kRequest), record));
  }
}

std::string settings_of(const Pool& pool) {
  return write_json(Settings{kVersion, pool.admin_group, pool.creator_uid, pool.next_arrival,
                             pool.absent_drains});
}

template <typename Item>
Write written(const Item& item) {
  return {field_of(item), write_json(item)};
}

}  // namespace

std::vector<Write> writes(const Pool& after, const Difference& what) {
  std::vector<Write> all;
  const auto set = [&](std::string_view field, std::string record) {
    all.push_back({std::string(field), std::move(record)});
  };
  const auto drop = [&](std::string field) { all.push_back({std::move(field), std::nullopt}); };
  if (what.settings_changed) set(kSettings, settings_of(after));
  if (what.provider_changed) set(kProvider, after.provider);
  if (what.policy_changed && after.policy == Policy{}) {
    drop(kPolicy);
  } else if (what.policy_changed) {
    set(kPolicy, write_json(after.policy));
  }
  if (what.identity_changed) set(kIdentity, json_codec::one_text(after.host));
  if (what.recall_changed && after.recall == Recall{}) {
    drop(std::string(kRecall));
  } else if (what.recall_changed) {
    set(kRecall, write_json(after.recall));
  }
  if (what.cancelled_changed && after.cancelled.empty()) {
    drop(std::string(kCancelled));
  } else if (what.cancelled_changed) {
    set(kCancelled, write_json(CancelledList{after.cancelled}));
  }
  for (const int gpu : what.gpus_removed) drop(fmt::format("{}{}", kGpu, gpu));
  for (const Gpu* gpu : what.gpus_written) all.push_back(written(*gpu));
  for (const std::string& id : what.reservations_removed) {
    drop(fmt::format("{}{}", kReservation, id));
  }
  for (const Reservation* reservation : what.reservations_written)
    all.push_back(written(*reservation));
  for (const std::string& id : what.requests_removed) drop(fmt::format("{}{}", kRequest, id));
  for (const Request* request : what.requests_written) all.push_back(written(*request));
  return all;
}

std::vector<Write> writes(const Pool& pool) { return writes(pool, difference(Pool{}, pool)); }

void add(Pool& pool, std::string_view field, std::string_view record,
         std::vector<std::string>* damaged) {
  try {
    add_any(pool, field, record);
  } catch (const std::invalid_argument&) {
    if (damaged == nullptr) refuse(field);
    damaged->emplace_back(field);
  }
}

void remove(Pool& pool, std::string_view field) {
  const auto is_it = [&](const auto& item) { return field_of(item) == field; };
  if (field == kProvider) {
    pool.provider.clear();
  } else if (field == kPolicy) {
    pool.policy = {};
  } else if (field == kRecall) {
    pool.recall = {};
  } else if (field == kCancelled) {
    pool.cancelled.clear();
  } else if (field.starts_with(kGpu)) {
    std::erase_if(pool.gpus, is_it);
  } else if (field.starts_with(kReservation)) {
    std::erase_if(pool.reservations, is_it);
  } else if (field.starts_with(kRequest)) {
    std::erase_if(pool.queue, is_it);
  }
}

void put_in_order(Pool& pool) {
  std::sort(pool.gpus.begin(), pool.gpus.end(),
            [](const Gpu& a, const Gpu& b) { return a.index < b.index; });
  std::sort(pool.reservations.begin(), pool.reservations.end(), starts_before);
  std::sort(pool.queue.begin(), pool.queue.end(), is_served_before);
}

std::string write(const Event& event) { return write_json(event); }

Event read_event(std::string_view text) {
  Event event = read_json<Event>(text);
  require_indices(event.gpus);
  return event;
}

UsageRecord read_usage(std::string_view text) { return read_json<UsageRecord>(text); }

}  // namespace chg::records
