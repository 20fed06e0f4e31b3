// What the measurements need of a store:
//   store_tool watch STORE              says "NS RESERVATIONS WAITING" now and at each change
//   store_tool fill STORE N             N ends in place of all events, the last of today, 1,000 a
//   day store_tool commits STORE N          changes a manual reservation N times; says the ns of
//   each store_tool floor-commits FILE N     what sqlite3 alone takes for N synced commits of its
//   own
// STORE: the path of a SQLite store, or the URL of a Redis.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <iostream>
#include <memory>
#include <string>

#include <fmt/format.h>
#include <sqlite3.h>

#include "base/error.h"
#include "base/poll.h"
#include "bench/pools.h"
#include "store/redis/redis_store.h"
#include "store/redis/redis_url.h"
#include "store/sqlite/sqlite_store.h"

namespace chg::bench {
namespace {

long long nanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

std::unique_ptr<Store> open(const std::string& address) {
  return is_redis_url(address) ? open_redis_store(address) : open_sqlite_store(address);
}

[[noreturn]] void watch(Store& store) {
  const auto changes = store.subscribe_to_changes();
  while (true) {
    changes->renew();
    const Pool pool = store.read();
    fmt::print("{} {} {}\n", nanoseconds(), pool.reservations.size(), pool.queue.size());
    std::fflush(stdout);
    wait_ready({changes->fd()}, std::chrono::hours(1));
  }
}

void fill(Store& store, int count) {
  // What is there is later: the others would count on from it.
  store.forget_events(WallTime::max());
  constexpr std::size_t kBatch = 2'000;
  const auto records = history(count, 1000, SystemClock().now().wall);
  for (std::size_t done = 0; done < records.size(); done += kBatch) {
    const auto begin = records.begin() + static_cast<std::ptrdiff_t>(done);
    const auto end =
        records.begin() + static_cast<std::ptrdiff_t>(std::min(done + kBatch, records.size()));
    store.update([&](Pool& pool) {
      std::transform(begin, end, std::back_inserter(pool.events), ended_event);
    });
  }
  store.tidy_up();
}

void say_times(int count, const std::function<void(int)>& commit) {
  for (int number = 0; number < count; ++number) {
    const auto begin = nanoseconds();
    commit(number);
    fmt::print("{}\n", nanoseconds() - begin);
  }
}

void commits(Store& store, int count) {
  const Instant now = SystemClock().now();
  store.update([&](Pool& pool) {
    Reservation reservation;
    reservation.id = "bench";
    reservation.account = {0, "root"};
    reservation.kind = ReservationKind::Manual;
    reservation.gpus = {0};
    reservation.started = reservation.last_heartbeat = now;
    pool.reservations.push_back(reservation);
  });
  say_times(count, [&](int number) {
    store.update([&](Pool& pool) {
      find_reservation(pool, "bench")->ends = now.wall + std::chrono::hours(1 + number);
    });
  });
  store.update([](Pool& pool) {
    std::erase_if(pool.reservations, [](const auto& held) { return held.id == "bench"; });
  });
}

void require(int status, sqlite3* database) {
  if (status == SQLITE_OK) return;
  throw Error(ErrorKind::Failed, sqlite3_errmsg(database));
}

// As large a row as a reservation's, changed in place.
void floor_commits(const std::string& file, int count) {
  sqlite3* database = nullptr;
  const int opened = sqlite3_open(file.c_str(), &database);
  const std::unique_ptr<sqlite3, int (*)(sqlite3*)> closed(database, sqlite3_close);
  require(opened, database);
  const auto execute = [&](const std::string& sql) {
    require(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), database);
  };
  execute("PRAGMA page_size = 1024; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  execute("CREATE TABLE held (id TEXT PRIMARY KEY, ends INTEGER, rest TEXT) WITHOUT ROWID");
  execute(fmt::format("INSERT INTO held VALUES ('bench', 0, '{}')", std::string(300, 'x')));
  say_times(count, [&](int number) {
    execute(fmt::format("UPDATE held SET ends = {} WHERE id = 'bench'", number));
  });
}

int main(const std::string& what, const std::string& where, int count) {
  if (what == "floor-commits") {
    floor_commits(where, count);
    return 0;
  }
  const std::unique_ptr<Store> store = open(where);
  if (what == "watch") watch(*store);
  if (what == "fill") fill(*store, count);
  if (what == "commits") commits(*store, count);
  return 0;
}

}  // namespace
}  // namespace chg::bench

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  try {
    return chg::bench::main(argv[1], argv[2], argc > 3 ? std::atoi(argv[3]) : 0);
  } catch (const chg::Error& error) {
    std::cerr << "store_tool: " << error.what() << '\n';
    return 1;
  }
}
