// Writing: from a changed pool to commands.
#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "store/records.h"
#include "store/redis/redis_codec.h"
#include "store/redis/redis_json.h"
#include "store/text_codec.h"

namespace chg {
namespace {

using json_text::to_text;
using nlohmann::json;

class Encoder {
 public:
  Encoder(const RedisImage& image, const RedisPool& before, const Pool& after,
          const Difference& what, const RedisKeys& keys)
      : image_(image), before_(before), after_(after), what_(what), keys_(keys) {}

  RedisWrites encode() {
    write_host();
    write_gpus();
    write_reservations();
    write_values();
    write_queue();
    write_history();
    return std::move(writes_);
  }

 private:
  void add(std::vector<std::string> command) {
    writes_.keys.insert(command[1]);
    writes_.commands.push_back(std::move(command));
  }

  void set_field(const std::string& field, const json& record) {
    add({"HSET", keys_.host(), field, to_text(record)});
  }

  void drop_field(const std::string& field) { add({"HDEL", keys_.host(), field}); }

  void write_host() {
    if (what_.settings_changed) {
      set_field(records::kSettings, records::write(records::host_of(after_)));
    }
    if (what_.cancelled_changed && after_.cancelled.empty()) {
      drop_field(records::kCancelled);
    } else if (what_.cancelled_changed) {
      set_field(records::kCancelled, records::write(after_.cancelled));
    }
    if (what_.identity_changed) {
      add({"HSET", keys_.host(), records::kIdentity, text_codec::write(after_.host)});
    }
    if (what_.provider_changed) {
      set_or_delete(keys_.named("provider"), after_.provider);
    }
    if (what_.gpus_came_or_went) {
      set_or_delete(keys_.named("gpu_count"),
                    after_.gpus.empty() ? "" : fmt::to_string(after_.gpus.size()));
    }
  }

  void set_or_delete(const std::string& key, const std::string& value) {
    if (value.empty()) {
      add({"DEL", key});
    } else {
      add({"SET", key, value});
    }
  }

  void write_gpus() {
    for (const Gpu* gpu : what_.gpus_written) {
      set_field(records::gpu_field(gpu->index), records::write(*gpu));
    }
    for (const int index : what_.gpus_removed) {
      drop_field(records::gpu_field(index));
      write_value(index, "");
    }
  }

  bool is_of_go(const std::string& id) const { return before_.go_reservations.contains(id); }

  void write_reservations() {
    for (const std::string& id : before_.lost) drop_field(records::reservation_field(id));
    for (const std::string& id : what_.reservations_removed) {
      if (!is_of_go(id)) drop_field(records::reservation_field(id));
    }
    for (const Reservation* reservation : what_.reservations_written) {
      if (!is_of_go(reservation->id)) {
        set_field(records::reservation_field(reservation->id), records::write(*reservation));
      }
    }
  }

  // The values of the GPUs, which tell the Go program what it has to know.
  void write_values() {
    for (const Gpu& gpu : after_.gpus) {
      std::vector<const Reservation*> holders;
      for (const Reservation& reservation : after_.reservations) {
        if (std::find(reservation.gpus.begin(), reservation.gpus.end(), gpu.index) !=
            reservation.gpus.end()) {
          holders.push_back(&reservation);
        }
      }
      if (!holders.empty() && is_of_go(holders.front()->id)) {
        extend_go_value(gpu.index, *holders.front());
      } else {
        write_value(gpu.index, value_of(gpu, holders));
      }
    }
  }

  static std::string value_of(const Gpu& gpu, const std::vector<const Reservation*>& holders) {
    if (holders.empty()) {
      return gpu.last_released ? to_text(redis_go::write_free(gpu.last_released->wall)) : "";
    }
    json value = redis_go::write_held(*holders.front());
    for (const Reservation* reservation : holders) {
      value["reservation_ids"].push_back(json_text::write_bytes(reservation->id));
    }
    return to_text(value);
  }

  // "": no value.
  void write_value(int gpu, const std::string& value) {
    const auto loaded = image_.gpus.find(gpu);
    const std::string key = keys_.gpu(gpu);
    if (loaded != image_.gpus.end()) {
      if (loaded->second.value_or("") == value) return;
      writes_.expected.emplace_back(key, loaded->second);
    }
    set_or_delete(key, value);
  }

  // Members that we don't know stay.
  void extend_go_value(int gpu, const Reservation& reservation) {
    const Reservation* old = find_reservation(before_.pool, reservation.id);
    if (old == nullptr || old->ends == reservation.ends || !reservation.ends) return;
    const auto loaded = image_.gpus.find(gpu);
    if (loaded == image_.gpus.end() || !loaded->second) return;
    json value = redis_json::parse_object(*loaded->second, keys_.gpu(gpu));
    value["expiry_time"] = redis_json::unix_seconds(*reservation.ends);
    write_value(gpu, to_text(value));
  }

  void write_queue() {
    for (const std::string& id : what_.requests_removed) {
      add({"ZREM", keys_.queue(), id});
      add({"DEL", keys_.entry(id)});
    }
    if (what_.requests_written.empty()) return;
    const std::map<std::string, double> scores = new_scores();
    for (const Request* request : what_.requests_written) {
      if (before_.go_requests.contains(request->id)) continue;
      json value = redis_go::write_entry(*request);
      value["canhazgpu"] = records::write(*request);
      add({"SET", keys_.entry(request->id), to_text(value)});
      if (const auto score = scores.find(request->id); score != scores.end()) {
        add({"ZADD", keys_.queue(), fmt::format("{:.17g}", score->second), request->id});
      }
    }
  }

  // The scores of those who are new in the queue: the time of arrival, but always between those of
  // their neighbours, so that both programs see one order even where a clock has stepped.
  std::map<std::string, double> new_scores() const {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    std::map<std::string_view, double> old;
    for (const RedisImage::Entry& entry : image_.queue) {
      if (entry.value) old[entry.id] = entry.score;
    }
    std::map<std::string, double> scores;
    double previous = -kInfinity;
    for (std::size_t i = 0; i < after_.queue.size(); ++i) {
      const Request& request = after_.queue[i];
      if (const auto known = old.find(request.id); known != old.end()) {
        previous = std::max(previous, known->second);
        continue;
      }
      double next = kInfinity;
      for (std::size_t j = i + 1; j < after_.queue.size() && next == kInfinity; ++j) {
        const auto known = old.find(after_.queue[j].id);
        if (known != old.end()) next = known->second;
      }
      auto score = static_cast<double>(request.enqueued.wall.time_since_epoch().count());
      if (score >= next) score = std::nextafter(next, -kInfinity);
      if (score <= previous) score = std::nextafter(previous, kInfinity);
      scores[request.id] = previous = std::min(score, next);
    }
    return scores;
  }

  void write_history() {
    if (after_.ended.empty()) return;
    std::vector<std::string> command = {"ZADD", keys_.history()};
    std::int64_t place = 0;
    for (const UsageRecord& record : after_.ended) {
      json value = redis_go::write_usage(record);
      value["canhazgpu"] = records::write({record, image_.changes + 1, ++place});
      command.push_back(fmt::to_string(redis_json::unix_seconds(record.ended)));
      command.push_back(to_text(value));
    }
    add(std::move(command));
    add({"EXPIRE", keys_.history(), fmt::to_string(redis_go::kHistoryLife.count())});
  }

  const RedisImage& image_;
  const RedisPool& before_;
  const Pool& after_;
  const Difference& what_;
  const RedisKeys& keys_;
  RedisWrites writes_;
};

}  // namespace

RedisWrites encode_pool(const RedisImage& image, const RedisPool& before, const Pool& after,
                        const Difference& what, const RedisKeys& keys) {
  return Encoder(image, before, after, what, keys).encode();
}

std::string registration_of(const Pool& pool, const RedisKeys& keys, WallTime now) {
  return to_text(json{{"prefix", json_text::write_bytes(keys.prefix)},
                      {"gpus", pool.gpus.size()},
                      {"registered", to_rfc3339(now)},
                      {"version", CANHAZGPU_VERSION}});
}

std::optional<std::string> registered_prefix(const std::string& registration) {
  const json value = json::parse(registration, nullptr, false);
  const std::string prefix = redis_json::text_member(value, "prefix");
  if (prefix.empty()) return std::nullopt;
  return prefix;
}

}  // namespace chg
