// A store with damaged pages: whatever is done with it ends, and with an Error at worst.
#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/schedule.h"
#include "fuzz/fuzz.h"
#include "fuzz/scratch.h"
#include "store/sqlite/sqlite_store.h"
#include "support/full_pool.h"

namespace chg {
namespace {

// A small store as it lies on the disk, with its log copied into it.
class Seed {
 public:
  explicit Seed(const std::string& path) {
    const auto store = create_sqlite_store(path, Sharing{});
    store->update([](Pool& pool) {
      pool.provider = "fake";
      for (int index = 0; index < 8; ++index) {
        Gpu gpu;
        gpu.index = index;
        gpu.uuid = "GPU-" + std::to_string(index);
        pool.gpus.push_back(gpu);
      }
    });
    store->update([](Pool& pool) {
      for (int n = 0; n < 3; ++n) {
        Reservation reservation = full_reservation("run" + std::to_string(n), n);
        reservation.gpus = {n};
        pool.reservations.push_back(reservation);
        pool.queue.push_back(full_request("ask" + std::to_string(n), static_cast<unsigned>(n) + 1));
        pool.events.push_back(usage_event("was" + std::to_string(n), n, 1000 + n));
      }
    });
    bytes_ = content(path);
    log_ = content(path + "-wal");
  }

  const std::string& bytes() const { return bytes_; }
  const std::string& log() const { return log_; }

 private:
  static std::string content(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string bytes_;
  std::string log_;
};

// "PLACE LENGTH BYTES" again and again: three bytes of place, one of length. Both files lie behind
// one another for this.
void damage(std::string& bytes, std::string& log, std::string_view changes) {
  std::string all = bytes + log;
  while (changes.size() > 4) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(changes[i]); };
    const std::size_t place =
        (at(0) | static_cast<std::size_t>(at(1)) << 8U | static_cast<std::size_t>(at(2)) << 16U) %
        all.size();
    const std::size_t length =
        std::min({std::size_t{at(3)}, changes.size() - 4, all.size() - place});
    all.replace(place, length, changes.substr(4, length));
    changes.remove_prefix(4 + length);
  }
  log = all.substr(bytes.size());
  bytes.resize(all.size() - log.size());
  std::copy_n(all.begin(), bytes.size(), bytes.begin());
}

}  // namespace

CHG_FUZZ_TARGET(sqlite, pages) {
  static const fuzz::Scratch scratch;
  static const Seed seed(scratch.path("seed.db"));
  static const std::string path = [] {
    create_sqlite_store(scratch.path("pool.db"), Sharing{});
    return scratch.path("pool.db");
  }();
  std::string database = seed.bytes();
  std::string log = seed.log();
  damage(database, log, bytes);
  scratch.write("pool.db", database);
  scratch.write("pool.db-wal", log);
  scratch.write("pool.db-shm", "");
  const auto store = open_sqlite_store(path);
  store->read();
  store->history(WallTime::min());
  store->update([](Pool& pool) {
    if (!pool.reservations.empty()) pool.reservations.pop_back();
    pool.queue.push_back(full_request("new", ++pool.next_arrival));
    pool.events.push_back(usage_event("new", 0, 5000));
  });
  store->tidy_up();
}

}  // namespace chg
