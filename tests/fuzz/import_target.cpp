// What the Go program, or anybody, may have left in a Redis for an import.
#include <sstream>

#include "fuzz/fuzz.h"
#include "store/import/go_pool.h"
#include "store/import/go_supervisor.h"

namespace chg {
namespace {

std::optional<std::uint32_t> uid_of(const std::string& account) {
  return account.empty() ? std::nullopt : std::optional<std::uint32_t>(1000);
}

// A line for each key: "count 8", "provider fake", "gpu 3 VALUE", "host FIELD VALUE", "waits ID
// SCORE VALUE", "used RECORD".
GoImage image_from(std::string_view bytes) {
  GoImage image;
  std::istringstream lines{std::string(bytes)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string kind, name, value;
    words >> kind;
    const auto rest = [&] {
      std::getline(words >> std::ws, value);
      return value;
    };
    if (kind == "count") {
      image.gpu_count = rest();
    } else if (kind == "provider") {
      image.provider = rest();
    } else if (kind == "gpu") {
      int index = 0;
      words >> index;
      image.gpus[index] = rest();
    } else if (kind == "host") {
      words >> name;
      image.host[name] = rest();
    } else if (kind == "waits") {
      std::string score;
      words >> name >> score;
      image.queue.emplace_back(name, rest());
    } else if (kind == "used") {
      image.history.push_back(rest());
    }
  }
  return image;
}

}  // namespace

CHG_FUZZ_TARGET(stored, import) {
  const GoPool found = read_go_pool(image_from(bytes), uid_of);
  CHG_FUZZ_REQUIRE(!found.pool.gpus.empty());
  for (const Reservation& run : found.runs) CHG_FUZZ_REQUIRE(!run.gpus.empty());
}

CHG_FUZZ_TARGET(stored, supervisor) {
  std::istringstream text{std::string(bytes)};
  std::vector<std::string> words;
  for (std::string word; text >> word;) words.push_back(word);
  const auto found = read_go_supervisor(words);
  CHG_FUZZ_REQUIRE(!found || !found->gpus.empty());
}

}  // namespace chg
