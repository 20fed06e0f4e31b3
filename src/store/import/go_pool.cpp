#include "store/import/go_pool.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ctime>
#include <set>
#include <stdexcept>
#include <tuple>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/number.h"
#include "base/random_id.h"
#include "base/text.h"
#include "store/records.h"

namespace chg {
namespace {

using nlohmann::json;

// Members that canhazgpu 0.1.0 added.
constexpr const char* kIdsMember = "reservation_ids";
constexpr const char* kOwnMember = "canhazgpu";

// What fits into 64 bits of nanoseconds, with a little to spare.
constexpr double kSecondsMax = 9.2e9;

std::optional<WallTime> from_seconds(double seconds) {
  if (!(std::abs(seconds) < kSecondsMax)) return std::nullopt;
  const double whole = std::floor(seconds);
  return WallTime(std::chrono::seconds(static_cast<std::int64_t>(whole)) +
                  std::chrono::nanoseconds(std::llround((seconds - whole) * 1e9)));
}

// RFC 3339: "2026-11-24T13:24:28.259536358Z", or with an offset for the Z.
std::optional<WallTime> from_rfc3339(const std::string& text) {
  std::tm fields{};
  const char* rest = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &fields);
  if (rest == nullptr) return std::nullopt;
  double fraction = 0;
  if (*rest == '.') rest = std::from_chars(rest, text.data() + text.size(), fraction).ptr;
  rest = strptime(rest, "%z", &fields);
  if (rest == nullptr || *rest != '\0') return std::nullopt;
  const long offset = fields.tm_gmtoff;  // timegm overwrites it
  const auto whole = from_seconds(static_cast<double>(timegm(&fields) - offset));
  if (!whole) return std::nullopt;
  return *whole + std::chrono::nanoseconds(std::llround(fraction * 1e9));
}

// Seconds since 1970 as a number or a text, or RFC 3339.
std::optional<WallTime> read_time(const json& value) {
  if (value.is_number()) return from_seconds(value.get<double>());
  if (!value.is_string()) return std::nullopt;
  const auto& text = value.get_ref<const std::string&>();
  if (const auto seconds = parse<double>(text)) return from_seconds(*seconds);
  return from_rfc3339(text);
}

std::optional<WallTime> time_member(const json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? std::nullopt : read_time(*found);
}

std::string text_member(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// Missing where there is none, and for what no host has.
std::optional<int> index_member(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_unsigned()) return std::nullopt;
  const auto number = found->get<std::uint64_t>();
  if (number > kGoGpusMax) return std::nullopt;
  return static_cast<int>(number);
}

ReservationKind kind_of(const std::string& type) {
  return type == "manual" ? ReservationKind::Manual : ReservationKind::Run;
}

Instant at(WallTime wall) { return {wall, {}, ""}; }

// The Go program knows its reservations by user, type and start alone. The same id for the same
// ones, today and tomorrow.
std::string made_id(const std::string& user, const std::string& type, WallTime started) {
  const auto start = std::chrono::floor<std::chrono::seconds>(started).time_since_epoch();
  return "go-" + readable_id(hash_of(fmt::format("{}\n{}\n{}", user, type, start.count())));
}

// A usage record, and its place among those that ended at the same moment: the number of the
// commit, and the place within that.
struct Usage {
  UsageRecord record;
  std::int64_t commit = 0;
  std::int64_t place = 0;
};

class Reader {
 public:
  Reader(const GoImage& image, const UidOf& uid_of) : image_(image), uid_of_(uid_of) {}

  GoPool read() {
    read_settings();
    for (const int index : indices_) read_gpu(index);
    read_own_reservations();
    for (auto& [id, held] : go_held_) {
      auto& kept = held.kind == ReservationKind::Run ? result_.runs : result_.pool.reservations;
      kept.push_back(std::move(held));
    }
    std::sort(result_.pool.reservations.begin(), result_.pool.reservations.end(), starts_before);
    std::sort(result_.runs.begin(), result_.runs.end(), starts_before);
    read_queue();
    read_history();
    return std::move(result_);
  }

 private:
  std::string key(const std::string& name) const { return image_.prefix + ":" + name; }

  // Calls `read`, and notes the name of what can't be read.
  template <typename Read>
  bool attempt(const std::string& name, const Read& read) {
    try {
      read();
      return true;
    } catch (const std::exception&) {
      result_.unread.push_back(name);
      return false;
    }
  }

  // The record of 0.1.0 under this field of the hash, in a pool of its own; an empty pool where
  // there is none. It wrote as stores do today.
  Pool record_of(const std::string& field) {
    Pool pool;
    const auto found = image_.host.find(field);
    if (found == image_.host.end()) return pool;
    attempt(key("host") + " " + field, [&] { records::add(pool, field, found->second); });
    return pool;
  }

  void read_settings() {
    Pool& pool = result_.pool;
    const auto count = read_gpu_count(image_.gpu_count);
    if (!count) {
      throw Error(ErrorKind::Failed,
                  fmt::format("'{}' is no number of GPUs, but '{}'", key("gpu_count"),
                              printable(image_.gpu_count, 60)),
                  "set it to what it should be, and import again");
    }
    pool = record_of("settings");
    pool.host = record_of("identity").host;
    for (int index = 0; index < *count; ++index) indices_.push_back(index);
    pool.provider = image_.provider.empty() ? "nvidia" : image_.provider;
  }

  void read_gpu(int index) {
    const Pool known = record_of(fmt::format("gpu:{}", index));
    Gpu gpu = known.gpus.empty() ? Gpu{} : known.gpus.front();
    gpu.index = index;
    if (const auto found = image_.gpus.find(index); found != image_.gpus.end()) {
      attempt(key(fmt::format("gpu:{}", index)), [&] { read_value(found->second, gpu); });
    }
    result_.pool.gpus.push_back(std::move(gpu));
  }

  static json object_of(const std::string& text) {
    json value = json::parse(text);
    if (!value.is_object()) throw std::invalid_argument("no object");
    return value;
  }

  void read_value(const std::string& text, Gpu& gpu) {
    const json value = object_of(text);
    if (value.contains(kIdsMember)) {
      for (const json& id : value.at(kIdsMember)) {
        claims_[gpu.index].insert(id.get<std::string>());
      }
      return;
    }
    // What it collects for somebody who waits is free: who waits has to ask again.
    const bool is_held =
        !text_member(value, "user").empty() || !text_member(value, "actual_user").empty();
    if (is_held && text_member(value, "partial_queue_id").empty()) {
      gpu.unavailable.reset();
      add_held(value, gpu.index);
      return;
    }
    const auto released = time_member(value, "last_released");
    if (released && (!gpu.last_released || gpu.last_released->wall != *released)) {
      gpu.last_released = at(*released);
    }
  }

  // All GPUs of one reservation become one.
  void add_held(const json& value, int gpu) {
    const std::string type = text_member(value, "type");
    const auto heartbeat = time_member(value, "last_heartbeat");
    const WallTime started =
        time_member(value, "start_time").value_or(heartbeat.value_or(WallTime{}));
    const std::string id = made_id(text_member(value, "user"), type, started);
    const auto [place, is_new] = go_held_.try_emplace(id);
    Reservation& reservation = place->second;
    reservation.gpus.push_back(gpu);
    if (!is_new) return;
    reservation.id = id;
    reservation.kind = kind_of(type);
    reservation.account = account_of(value);
    reservation.label = label_of(value, reservation.account);
    reservation.note = text_member(value, "note");
    reservation.started = at(started);
    reservation.last_heartbeat = at(heartbeat.value_or(started));
    if (reservation.kind == ReservationKind::Manual)
      reservation.ends = time_member(value, "expiry_time");
  }

  Account account_of(const json& value) const {
    std::string name = text_member(value, "actual_user");
    if (name.empty()) name = text_member(value, "user");
    return {uid_of_(name).value_or(kUnknownUid), name};
  }

  static std::string label_of(const json& value, const Account& account) {
    const std::string user = text_member(value, "user");
    return user == account.name ? "" : user;
  }

  // A reservation of 0.1.0 has a GPU while the value of that GPU names it: the Go program may have
  // taken it away.
  void read_own_reservations() {
    for (const auto& [field, text] : image_.host) {
      if (!field.starts_with("reservation:")) continue;
      for (Reservation& reservation : record_of(field).reservations) {
        const bool had_some = !reservation.gpus.empty();
        std::erase_if(reservation.gpus,
                      [&](int gpu) { return is_taken_away(gpu, reservation.id); });
        if (!reservation.gpus.empty() || !had_some)
          result_.pool.reservations.push_back(std::move(reservation));
      }
    }
  }

  bool is_taken_away(int gpu, const std::string& id) const {
    const auto found = claims_.find(gpu);
    return found == claims_.end() || !found->second.contains(id);
  }

  void read_queue() {
    for (const auto& [id, text] : image_.queue) {
      attempt(key("queue:entry:" + id), [&, &name = id, &entry = text] {
        const json value = object_of(entry);
        Request request;
        request.id = name;
        request.account = account_of(value);
        request.label = label_of(value, request.account);
        request.note = text_member(value, "note");
        request.kind = kind_of(text_member(value, "reservation_type"));
        request.count = index_member(value, "requested_count").value_or(1);
        if (const auto ids = value.find("requested_ids"); ids != value.end() && ids->is_array()) {
          request.gpu_ids = ids->get<std::vector<int>>();
          request.count = std::max(request.count, static_cast<int>(request.gpu_ids.size()));
        }
        result_.waiting.push_back(std::move(request));
      });
    }
  }

  void read_history() {
    std::vector<Usage> found;
    std::size_t bad = 0;
    for (const std::string& text : image_.history) {
      try {
        found.push_back(read_usage(text));
      } catch (const std::exception&) {
        ++bad;
      }
    }
    if (bad > 0) {
      result_.unread.push_back(fmt::format("{} ({} of {} records)", key("usage_history_sorted"),
                                           bad, image_.history.size()));
    }
    std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
      return std::tie(a.record.ended, a.commit, a.place) <
             std::tie(b.record.ended, b.commit, b.place);
    });
    for (Usage& usage : found) result_.history.push_back(std::move(usage.record));
  }

  Usage read_usage(const std::string& text) const {
    const json value = object_of(text);
    if (const auto own = value.find(kOwnMember); own != value.end()) {
      return {records::read_usage(own->dump()), own->at("commit").get<std::int64_t>(),
              own->at("place").get<std::int64_t>()};
    }
    const auto started = time_member(value, "start_time");
    const auto ended = time_member(value, "end_time");
    const auto gpu = index_member(value, "gpu_id");
    if (!started || !ended || !gpu) throw std::invalid_argument("no usage record");
    const std::string type = text_member(value, "reservation_type");
    UsageRecord record;
    record.gpu = *gpu;
    record.account = account_of(value);
    record.label = label_of(value, record.account);
    record.kind = kind_of(type);
    record.started = *started;
    record.ended = *ended;
    // It does not say how a use ended.
    record.end = record.kind == ReservationKind::Run ? EndReason::Finished : EndReason::Released;
    record.reservation_id = made_id(text_member(value, "user"), type, *started);
    return {std::move(record), 0, 0};
  }

  const GoImage& image_;
  const UidOf& uid_of_;
  GoPool result_;
  std::vector<int> indices_;
  std::map<int, std::set<std::string>> claims_;  ///< reservations of 0.1.0 that each GPU names
  std::map<std::string, Reservation> go_held_;   ///< by id
};

}  // namespace

std::optional<int> read_gpu_count(const std::string& text) {
  const auto count = parse<int>(text);
  return count && *count >= 1 && *count <= kGoGpusMax ? count : std::nullopt;
}

GoPool read_go_pool(const GoImage& image, const UidOf& uid_of) {
  return Reader(image, uid_of).read();
}

}  // namespace chg
