#include "store/redis/redis_codec.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <tuple>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "store/records.h"
#include "store/redis/redis_json.h"
#include "store/text_codec.h"

namespace chg {
namespace {

using json_text::Members;
using nlohmann::json;

// Members of ours beside those of the Go program.
constexpr const char* kIdsMember = "reservation_ids";
constexpr const char* kOwnMember = "canhazgpu";

class Decoder {
 public:
  Decoder(const RedisImage& image, const RedisKeys& keys, const redis_go::UidOf& uid_of)
      : image_(image), keys_(keys), uid_of_(uid_of) {}

  RedisPool decode() {
    read_host();
    read_gpus();
    read_reservations();
    read_queue();
    return std::move(result_);
  }

 private:
  // Calls `read`, and names the key of what can't be read.
  template <typename Read>
  auto under(const std::string& key, Read read) const {
    try {
      return read();
    } catch (const std::invalid_argument&) {
      redis_json::refuse(key);
    }
  }

  // Reads a record of ours in the hash; missing where there is none.
  template <typename Read>
  auto record(const std::string& field, Read read) const
      -> std::optional<decltype(read(Members("")))> {
    const auto found = image_.host.find(field);
    if (found == image_.host.end()) return std::nullopt;
    return under(keys_.host(), [&] { return read(Members(found->second)); });
  }

  void read_host() {
    Pool& pool = result_.pool;
    if (const auto host = record(records::kSettings, records::read_host)) {
      pool.admin_group = host->admin_group;
      pool.creator_uid = host->creator_uid;
      pool.next_arrival = host->next_arrival;
      indices_ = host->gpus;
    }
    if (auto cancelled = record(records::kCancelled, records::read_cancelled)) {
      pool.cancelled = std::move(*cancelled);
    }
    if (const auto identity = image_.host.find(records::kIdentity); identity != image_.host.end()) {
      pool.host = text_codec::read_host(identity->second);
    }
    // Whoever has set another number of GPUs since then was the Go program.
    const int count = gpu_count();
    if (static_cast<std::size_t>(count) != indices_.size()) {
      indices_.clear();
      for (int index = 0; index < count; ++index) indices_.push_back(index);
    }
    pool.provider = image_.provider.value_or(count > 0 ? "nvidia" : "");
  }

  int gpu_count() const {
    if (!image_.gpu_count) return 0;
    const std::string& text = *image_.gpu_count;
    int count = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), count);
    const bool is_number = status == std::errc() && end == text.data() + text.size();
    if (!is_number || count < 0 || count > kRedisGpusMax)
      redis_json::refuse(keys_.named("gpu_count"));
    return count;
  }

  void read_gpus() {
    for (const int index : indices_) {
      const auto known = record(records::gpu_field(index), [&](const Members& found) {
        return records::read_gpu(found, index);
      });
      Gpu gpu = known.value_or(Gpu{});
      gpu.index = index;
      read_value(gpu);
      result_.pool.gpus.push_back(std::move(gpu));
    }
  }

  // What the value of the GPU, which the Go program writes too, says of it.
  void read_value(Gpu& gpu) {
    const auto found = image_.gpus.find(gpu.index);
    if (found == image_.gpus.end() || !found->second) return;
    const std::string key = keys_.gpu(gpu.index);
    const auto ids = under(key, [&] { return json_text::find_member(*found->second, kIdsMember); });
    if (ids) return under(key, [&] { read_claims(gpu.index, *ids); });
    const json value = redis_json::parse_object(*found->second, key);
    if (auto held = redis_go::read_held(value, gpu.index, uid_of_)) {
      gpu.unavailable.reset();
      add_go_reservation(std::move(*held));
      return;
    }
    const auto released = redis_go::read_last_released(value);
    if (released && (!gpu.last_released || gpu.last_released->wall != *released)) {
      gpu.last_released = Instant{*released, {}, ""};
    }
  }

  void read_claims(int gpu, std::string_view ids) {
    for (const std::string_view id : json_text::read_elements(ids)) {
      claims_[gpu].insert(json_text::read_bytes(id));
    }
  }

  // All GPUs of one reservation become one.
  void add_go_reservation(redis_go::Held held) {
    if (!held.queue_id.empty()) ++collected_[held.queue_id];
    const auto [place, is_new] = go_held_.try_emplace(held.reservation.id, held);
    if (is_new) return;
    Reservation& known = place->second.reservation;
    known.gpus.push_back(held.reservation.gpus.front());
    known.last_heartbeat = std::max(known.last_heartbeat, held.reservation.last_heartbeat,
                                    [](const auto& a, const auto& b) { return a.wall < b.wall; });
  }

  void read_reservations() {
    auto& reservations = result_.pool.reservations;
    for (const auto& [field, text] : image_.host) {
      if (!field.starts_with(records::kReservation)) continue;
      const std::string id = field.substr(records::kReservation.size());
      Reservation reservation = under(keys_.host(), [&, &value = text] {
        return records::read_reservation(Members(value), id);
      });
      const bool had_none = reservation.gpus.empty();
      std::erase_if(reservation.gpus, [&](int gpu) { return is_taken_away(gpu, id); });
      if (reservation.gpus.empty() && !had_none) {
        result_.lost.push_back(id);
      } else {
        reservations.push_back(std::move(reservation));
      }
    }
    keep_collected();
    for (auto& [id, held] : go_held_) {
      result_.go_reservations.insert(id);
      reservations.push_back(std::move(held.reservation));
    }
    std::sort(reservations.begin(), reservations.end(), starts_before);
  }

  // What is collected for a waiter lives by the waiter's heartbeat.
  void keep_collected() {
    for (auto& [id, held] : go_held_) {
      const auto entry = std::find_if(image_.queue.begin(), image_.queue.end(),
                                      [&, &queue_id = held.queue_id](const auto& one) {
                                        return one.id == queue_id && one.value;
                                      });
      if (held.queue_id.empty() || entry == image_.queue.end()) continue;
      const json value = redis_json::parse_object(*entry->value, keys_.entry(entry->id));
      const auto beat = redis_json::time_member(value, "last_heartbeat");
      Instant& last = held.reservation.last_heartbeat;
      if (beat && *beat > last.wall) last.wall = *beat;
    }
  }

  // Only GPUs of the pool have values that tell.
  bool is_taken_away(int gpu, const std::string& id) const {
    if (std::find(indices_.begin(), indices_.end(), gpu) == indices_.end()) return false;
    const auto found = claims_.find(gpu);
    return found == claims_.end() || !found->second.contains(id);
  }

  static std::optional<Request> read_own_request(const RedisImage::Entry& entry) {
    const auto own = json_text::find_member(*entry.value, kOwnMember);
    if (!own) return std::nullopt;
    return records::read_request(Members(*own), entry.id);
  }

  void read_queue() {
    std::vector<Request>& queue = result_.pool.queue;
    std::vector<double> scores;
    queue.reserve(image_.queue.size());
    for (const RedisImage::Entry& entry : image_.queue) {
      if (!entry.value) continue;
      scores.push_back(entry.score);
      const std::string key = keys_.entry(entry.id);
      if (auto own = under(key, [&] { return read_own_request(entry); })) {
        queue.push_back(std::move(*own));
        continue;
      }
      result_.go_requests.insert(entry.id);
      queue.push_back(redis_go::read_entry(redis_json::parse_object(*entry.value, key), entry.id,
                                           entry.score, uid_of_));
      Request& request = queue.back();
      if (const auto found = collected_.find(entry.id); found != collected_.end()) {
        request.count = std::max(request.count - found->second, 1);
      }
      if (queue.size() > 1) request.arrival = queue[queue.size() - 2].arrival;
    }
    sort_equal_scores(scores);
  }

  // Scores are as exact as a double is: among equal ones of ours, the arrival decides.
  void sort_equal_scores(const std::vector<double>& scores) {
    std::vector<Request>& queue = result_.pool.queue;
    for (std::size_t i = 0, end = 0; i < queue.size(); i = end) {
      end = i + 1;
      while (end < queue.size() && scores[end] == scores[i]) ++end;
      std::stable_sort(queue.begin() + static_cast<std::ptrdiff_t>(i),
                       queue.begin() + static_cast<std::ptrdiff_t>(end),
                       [](const Request& a, const Request& b) { return a.arrival < b.arrival; });
    }
  }

  const RedisImage& image_;
  const RedisKeys& keys_;
  const redis_go::UidOf& uid_of_;
  RedisPool result_;
  std::vector<int> indices_;
  std::map<int, std::set<std::string>> claims_;    ///< reservations of ours that each GPU names
  std::map<std::string, redis_go::Held> go_held_;  ///< by id
  std::map<std::string, int> collected_;           ///< GPUs, by queue entry
};

}  // namespace

RedisPool decode_pool(const RedisImage& image, const RedisKeys& keys,
                      const redis_go::UidOf& uid_of) {
  return Decoder(image, keys, uid_of).decode();
}

std::vector<UsageRecord> decode_history(const std::vector<std::string>& members,
                                        const redis_go::UidOf& uid_of) {
  std::vector<records::Usage> found;
  for (const std::string& member : members) {
    try {
      if (const auto own = json_text::find_member(member, kOwnMember)) {
        found.push_back(records::read_usage(Members(*own)));
      } else if (auto record = redis_go::read_usage(json::parse(member), uid_of)) {
        found.push_back({std::move(*record), 0, 0});
      }
    } catch (const std::exception&) {
      // One bad record is no reason to keep all others from a report.
    }
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return std::tie(a.record.ended, a.commit, a.place) <
           std::tie(b.record.ended, b.commit, b.place);
  });
  std::vector<UsageRecord> records;
  records.reserve(found.size());
  for (auto& usage : found) records.push_back(std::move(usage.record));
  return records;
}

}  // namespace chg
