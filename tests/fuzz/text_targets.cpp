// What people type, and what is shown to them.
#include <algorithm>

#include "base/duration_text.h"
#include "base/text.h"
#include "core/gpu_ids.h"
#include "fuzz/fuzz.h"
#include "store/redis/redis_url.h"
#include "view/model_detection.h"

namespace chg {

CHG_FUZZ_TARGET(text, duration) {
  const Duration duration = parse_duration(bytes);
  CHG_FUZZ_REQUIRE(duration > Duration::zero() && duration <= kDurationMax);
  CHG_FUZZ_REQUIRE(parse_duration(to_short_text(duration)) == duration);
  to_hms(duration);
}

CHG_FUZZ_TARGET(text, gpu_ids) {
  const std::vector<int> ids = parse_gpu_ids(bytes);
  CHG_FUZZ_REQUIRE(!ids.empty() && ids.front() >= 0);
  CHG_FUZZ_REQUIRE(std::adjacent_find(ids.begin(), ids.end(), std::greater_equal<>()) == ids.end());
  CHG_FUZZ_REQUIRE(parse_gpu_ids(to_id_list(ids)) == ids);
  to_gpu_names(ids);
}

CHG_FUZZ_TARGET(text, printable) {
  const std::string shown = printable(bytes, 80);
  CHG_FUZZ_REQUIRE(std::none_of(shown.begin(), shown.end(),
                                [](char c) { return (c >= 0 && c < 32) || c == 127; }));
  CHG_FUZZ_REQUIRE(display_width(shown) <= 80);
  CHG_FUZZ_REQUIRE(printable(shown, 80) == shown);
}

CHG_FUZZ_TARGET(model, command_line) {
  const auto detected = detect_model(bytes);
  if (detected) CHG_FUZZ_REQUIRE(!detected->model.empty() && !full_name(*detected).empty());
}

CHG_FUZZ_TARGET(text, redis_url) {
  const RedisAddress address = parse_redis_url(bytes);
  CHG_FUZZ_REQUIRE(parse_redis_url(to_url(address, true)) == address);
  RedisAddress without = address;
  without.password.clear();
  CHG_FUZZ_REQUIRE(to_url(address, false) == to_url(without, false));
}

}  // namespace chg
