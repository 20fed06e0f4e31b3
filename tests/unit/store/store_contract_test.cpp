// What every implementation of Store promises. A new one joins by a line at the end.
#include <atomic>
#include <functional>
#include <memory>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

#include "core/fields.h"
#include "store/redis/redis_store.h"
#include "store/sqlite/sqlite_store.h"
#include "support/child.h"
#include "support/expect_error.h"
#include "support/full_pool.h"
#include "support/memory_store.h"
#include "support/redis_server.h"
#include "support/temporary_folder.h"

namespace chg {
namespace {

/// How to come by a store of one kind.
struct StoreKind {
  std::string name;
  std::function<std::shared_ptr<Store>(const TemporaryFolder&)> make;
  /// A second handle to the same store, as another process would have it.
  std::function<std::shared_ptr<Store>(const std::shared_ptr<Store>&)> reopen;
};

std::vector<Event> events_of(Store& store, const EventsAsked& asked) {
  const auto reader = store.read_events(asked);
  std::vector<Event> all;
  for (auto some = reader->next(); !some.empty(); some = reader->next()) {
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

std::string ids_of(const std::vector<Event>& events) {
  std::string ids;
  for (const Event& event : events) ids += event.id + " ";
  return ids;
}

class StoreContract : public ::testing::TestWithParam<StoreKind> {
 protected:
  StoreContract()
      : store_owner_(GetParam().make(folder_)),
        other_owner_(GetParam().reopen(store_owner_)),
        store_(*store_owner_),
        other_(*other_owner_) {}

  void write(const Pool& pool) {
    store_.update([&](Pool& written) { written = pool; });
  }

  static bool rings(const Subscription& subscription) { return becomes_ready(subscription.fd()); }
  static bool is_silent(const Subscription& subscription) { return !is_ready(subscription.fd()); }

  TemporaryFolder folder_;
  std::shared_ptr<Store> store_owner_;
  std::shared_ptr<Store> other_owner_;
  Store& store_;
  Store& other_;
};

// What is written is there.

TEST_P(StoreContract, NewStoreHoldsAnEmptyPool) {
  EXPECT_EQ(store_.read(), Pool{});
  EXPECT_TRUE(store_.history(WallTime::min()).empty());
}

TEST_P(StoreContract, KeepsEveryFieldAsItIs) {
  const Pool pool = full_pool();
  write(pool);
  EXPECT_EQ(store_.read(), pool);
  EXPECT_EQ(other_.read(), pool);
}

TEST_P(StoreContract, KeepsEveryWayOfEnding) {
  Pool pool;
  for (const EndReason end :
       {EndReason::Finished, EndReason::Released, EndReason::Expired, EndReason::TimedOut,
        EndReason::Killed, EndReason::Lost, EndReason::Cleared}) {
    Reservation reservation;
    reservation.id = std::to_string(pool.reservations.size());
    reservation.started.wall = WallTime(std::chrono::seconds(pool.reservations.size()));
    reservation.ending = end;
    pool.reservations.push_back(reservation);
  }
  write(pool);
  EXPECT_EQ(other_.read(), pool);
}

TEST_P(StoreContract, GivesTheChangeWhatWasWrittenBefore) {
  write(full_pool());
  Pool seen;
  other_.update([&](Pool& pool) { seen = pool; });
  EXPECT_EQ(seen, full_pool());
}

TEST_P(StoreContract, WritesChangesOfEachField) {
  write(full_pool());
  const std::vector<std::function<void(Pool&)>> changes = {
      [](Pool& pool) { pool.provider = "nvidia"; },
      [](Pool& pool) { pool.admin_group = ""; },
      [](Pool& pool) { pool.creator_uid = 0; },
      [](Pool& pool) { pool.next_arrival = 7; },
      [](Pool& pool) { pool.host.name = "h"; },
      [](Pool& pool) { pool.recall.began.reset(); },
      [](Pool& pool) { pool.recall.runs.clear(); },
      [](Pool& pool) { pool.recall.server = "another"; },
      [](Pool& pool) { pool.recall = {}; },
      [](Pool& pool) { pool.host.boot_id = ""; },
      [](Pool& pool) { pool.gpus[0].uuid = "u"; },
      [](Pool& pool) { pool.gpus[0].model = ""; },
      [](Pool& pool) { pool.gpus[0].out_of_service.reset(); },
      [](Pool& pool) { pool.gpus[1].out_of_service = ""; },
      [](Pool& pool) { pool.gpus[0].last_released.reset(); },
      [](Pool& pool) { pool.gpus[0].unavailable.reset(); },
      [](Pool& pool) { pool.gpus[1].unavailable = Unavailability{}; },
      [](Pool& pool) { pool.gpus[2].unavailable->uids = {3}; },
      [](Pool& pool) { pool.gpus[0].last_used_by_uid.clear(); },
      [](Pool& pool) { pool.reservations[1].account.uid = 0; },
      [](Pool& pool) { pool.reservations[1].account.name = ""; },
      [](Pool& pool) { pool.reservations[1].label = ""; },
      [](Pool& pool) { pool.reservations[1].note = "n"; },
      [](Pool& pool) { pool.reservations[1].kind = ReservationKind::Run; },
      [](Pool& pool) { pool.reservations[1].gpus = {4}; },
      [](Pool& pool) { pool.reservations[1].last_heartbeat = odd_instant(99); },
      [](Pool& pool) { pool.reservations[1].ends.reset(); },
      [](Pool& pool) { pool.reservations[1].holder.reset(); },
      [](Pool& pool) { pool.reservations[1].supervisor.reset(); },
      [](Pool& pool) { pool.reservations[1].leftovers.clear(); },
      [](Pool& pool) { pool.reservations[1].ending.reset(); },
      [](Pool& pool) { pool.reservations[1].ending_by.reset(); },
      [](Pool& pool) { pool.reservations[1].command = ""; },
      [](Pool& pool) { pool.queue[1].command = ""; },
      [](Pool& pool) { pool.queue[1].account.name = "x"; },
      [](Pool& pool) { pool.queue[1].label = ""; },
      [](Pool& pool) { pool.queue[1].note = ""; },
      [](Pool& pool) { pool.queue[1].kind = ReservationKind::Run; },
      [](Pool& pool) { pool.queue[1].count = 1; },
      [](Pool& pool) { pool.queue[1].gpu_ids.clear(); },
      [](Pool& pool) { pool.queue[1].force = false; },
      [](Pool& pool) { pool.queue[1].duration.reset(); },
      [](Pool& pool) { pool.queue[1].enqueued = odd_instant(98); },
      [](Pool& pool) { pool.queue[1].last_heartbeat = odd_instant(97); },
      [](Pool& pool) { pool.queue[1].waiter = odd_process(96); },
      [](Pool& pool) { pool.gpus.pop_back(); },
      [](Pool& pool) { pool.gpus.push_back(full_gpu(3)); },
      [](Pool& pool) { pool.reservations.erase(pool.reservations.begin()); },
      [](Pool& pool) { pool.queue.erase(pool.queue.begin()); },
      [](Pool& pool) { pool.queue.clear(); },
      [](Pool& pool) { pool.reservations.clear(); },
      [](Pool& pool) { pool.gpus.clear(); },
  };
  Pool expected = full_pool();
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const Pool before = expected;
    changes[i](expected);
    ASSERT_NE(expected, before) << "change " << i << " changes nothing";
    store_.update(changes[i]);
    ASSERT_EQ(other_.read(), expected) << "change " << i;
  }
}

TEST_P(StoreContract, GivesManyEventsInOrderAndSomeAtATime) {
  // More than one second's worth, and more in one second than fits a page.
  constexpr int kEvents = 12'000;
  std::vector<Event> all;
  for (int i = 0; i < kEvents; ++i) {
    all.push_back(usage_event("r" + std::to_string(i), i % 8, i < 6000 ? i / 100 : 60));
  }
  for (int begin = 0; begin < kEvents; begin += 1000) {
    store_.update(
        [&](Pool& pool) { pool.events.assign(all.begin() + begin, all.begin() + begin + 1000); });
  }
  EXPECT_EQ(events_of(other_, {}), all);
  EXPECT_EQ(other_.history(WallTime(std::chrono::seconds(60))).size(), 6000U);
}

TEST_P(StoreContract, ForgetsTheEventsAlone) {
  write(full_pool());
  store_.update([](Pool& pool) { pool.events.push_back(usage_event("r", 1, 30)); });
  ASSERT_EQ(other_.history(WallTime::min()).size(), 1U);
  other_.forget_events(WallTime::max());
  EXPECT_TRUE(events_of(store_, {}).empty());
  EXPECT_EQ(store_.read(), full_pool());
  store_.update([](Pool& pool) { pool.events.push_back(usage_event("new", 1, 20)); });
  EXPECT_EQ(ids_of(events_of(other_, {})), "new ");
}

TEST_P(StoreContract, ForgetsOldEvents) {
  store_.update([](Pool& pool) {
    pool.events = {usage_event("a", 0, 10), usage_event("b", 0, 20), usage_event("c", 0, 30)};
  });
  other_.forget_events(WallTime(std::chrono::seconds(20)));
  EXPECT_EQ(ids_of(events_of(store_, {})), "b c ");
  // Not the order of those that come after.
  other_.forget_events(WallTime(std::chrono::seconds(40)));
  store_.update([](Pool& pool) {
    pool.events = {usage_event("d", 0, 5), usage_event("e", 0, 50)};
  });
  const std::string left = ids_of(events_of(store_, {}));
  EXPECT_TRUE(left.ends_with("d e ")) << left;
}

TEST_P(StoreContract, HasNoNeighboursOfItsOwnAccord) {
  write(full_pool());
  EXPECT_TRUE(store_.neighbours().empty());
}

TEST_P(StoreContract, KeepsTheOrderOfArrival) {
  store_.update([](Pool& pool) {
    pool.queue = {full_request("z", 1), full_request("m", 2), full_request("a", 10)};
  });
  store_.update(
      [](Pool& pool) { pool.queue.insert(pool.queue.begin() + 2, full_request("b", 9)); });
  std::string order;
  for (const Request& request : other_.read().queue) order += request.id;
  EXPECT_EQ(order, "zmba");
}

// All or nothing.

TEST_P(StoreContract, ChangeThatThrowsWritesNothing) {
  write(full_pool());
  EXPECT_THROW(store_.update([](Pool& pool) {
    pool = Pool{};
    pool.events.push_back(usage_event("r", 0, 1));
    throw std::out_of_range("no");
  }),
               std::out_of_range);
  EXPECT_EQ(other_.read(), full_pool());
  EXPECT_TRUE(other_.history(WallTime::min()).empty());
}

TEST_P(StoreContract, ErrorOfAChangeIsThrownOnAsItIs) {
  const Error error = error_of(
      [&] { store_.update([](Pool&) { throw Error(ErrorKind::Usage, "what", "hint"); }); });
  EXPECT_EQ(error.kind(), ErrorKind::Usage);
  EXPECT_STREQ(error.what(), "what");
  EXPECT_EQ(error.hint(), "hint");
}

TEST_P(StoreContract, GoesOnAfterAChangeThatThrew) {
  error_of([&] { store_.update([](Pool&) { throw Error(ErrorKind::Failed, "no"); }); });
  other_.update([](Pool& pool) { pool.provider = "fake"; });
  EXPECT_EQ(store_.read().provider, "fake");
}

// History.

TEST_P(StoreContract, EventsAreKeptAsTheyAreAndLeaveThePool) {
  const auto kinds = words_of(static_cast<const EventKind*>(nullptr));
  std::vector<Event> all;
  for (std::size_t i = 0; i < kinds.size(); ++i)
    all.push_back(full_event(static_cast<EventKind>(i)));
  all.push_back(Event{});
  store_.update([&](Pool& pool) { pool.events = all; });
  EXPECT_TRUE(store_.read().events.empty());
  EXPECT_EQ(events_of(other_, {}), all);
  store_.update([](Pool& pool) {
    EXPECT_TRUE(pool.events.empty());
    pool.provider = "x";
  });
  EXPECT_EQ(events_of(other_, {}).size(), all.size());
}

TEST_P(StoreContract, EventsAreInTheOrderInWhichTheyWereWritten) {
  store_.update([](Pool& pool) {
    pool.events = {usage_event("c", 0, 30), usage_event("a", 1, 10), usage_event("a", 0, 10)};
  });
  other_.update([](Pool& pool) { pool.events = {usage_event("b", 0, 20)}; });
  EXPECT_EQ(ids_of(events_of(store_, {})), "c a a b ");
  EXPECT_EQ(other_.history(WallTime::min()).at(1).gpu, 1);
}

TEST_P(StoreContract, UsageBeginsAtTheAskedMoment) {
  store_.update([](Pool& pool) {
    pool.events = {usage_event("a", 0, 10), usage_event("b", 0, 20), usage_event("c", 0, 30)};
  });
  const WallTime from{std::chrono::seconds(20)};
  const std::vector<UsageRecord> records = store_.history(from);
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].reservation_id, "b");
  EXPECT_EQ(store_.history(from + Duration(1)).size(), 1U);
  EXPECT_TRUE(store_.history(WallTime(std::chrono::seconds(31))).empty());
}

// One that was noticed late, or written after a clock was set back, must not be missed.
TEST_P(StoreContract, ReadsEveryEventSinceTheAskedMomentHoweverLateItWasWritten) {
  store_.update([](Pool& pool) {
    pool.events = {usage_event("old", 0, 10), usage_event("ahead", 0, 1000),
                   usage_event("behind", 0, 500)};
  });
  store_.update([](Pool& pool) { pool.events = {usage_event("late", 0, 600)}; });
  const std::string read = ids_of(events_of(other_, {.from = WallTime(std::chrono::seconds(500))}));
  EXPECT_EQ(read, "ahead behind late ");
  EXPECT_EQ(other_.history(WallTime(std::chrono::seconds(501))).size(), 2U);
}

TEST_P(StoreContract, EndsCanBeReadAlone) {
  store_.update([](Pool& pool) {
    pool.events = {full_event(EventKind::Queued), usage_event("a", 0, 10),
                   full_event(EventKind::Granted)};
  });
  EXPECT_EQ(ids_of(events_of(other_, {.only_ends = true})), "a ");
}

TEST_P(StoreContract, ReaderGoesOnWithWhatIsWrittenLater) {
  store_.update([](Pool& pool) { pool.events = {usage_event("a", 0, 10)}; });
  const auto reader = other_.read_events({});
  EXPECT_EQ(ids_of(reader->next()), "a ");
  EXPECT_TRUE(reader->next().empty());
  store_.update([](Pool& pool) {
    pool.events = {usage_event("b", 0, 10), usage_event("c", 0, 5)};
  });
  EXPECT_EQ(ids_of(reader->next()), "b c ");
  EXPECT_TRUE(reader->next().empty());
}

TEST_P(StoreContract, AnotherReaderGoesOnWhereOneHasStopped) {
  store_.update([](Pool& pool) { pool.events = {usage_event("a", 0, 10)}; });
  const auto reader = other_.read_events({});
  EXPECT_EQ(ids_of(reader->next()), "a ");
  store_.update([](Pool& pool) { pool.events = {usage_event("b", 0, 10)}; });
  EXPECT_EQ(ids_of(events_of(store_, {.after = reader->position()})), "b ");
  EXPECT_EQ(ids_of(events_of(store_, {.after = other_.read_events({})->position()})), "a b ");
}

// Who is woken.

TEST_P(StoreContract, NewSubscriptionIsSilent) {
  write(full_pool());
  EXPECT_TRUE(is_silent(*store_.subscribe_to_changes()));
  EXPECT_TRUE(is_silent(*store_.subscribe_to("last")));
}

TEST_P(StoreContract, ChangesRingForEverybodyWhoListens) {
  write(full_pool());
  const std::vector<std::function<void(Pool&)>> changes = {
      [](Pool& pool) { pool.provider = "x"; },
      [](Pool& pool) { pool.gpus[0].unavailable.reset(); },
      [](Pool& pool) { pool.gpus.pop_back(); },
      [](Pool& pool) { pool.reservations[1].ends.reset(); },
      [](Pool& pool) { pool.reservations.pop_back(); },
      [](Pool& pool) { pool.reservations.push_back(full_reservation("new", 9)); },
      [](Pool& pool) { pool.queue.push_back(full_request("new", 8)); },
      [](Pool& pool) { pool.queue.pop_back(); },
      [](Pool& pool) { pool.events.push_back(usage_event("r", 0, 1)); },
      // A heartbeat beside something else is no heartbeat alone.
      [](Pool& pool) {
        pool.reservations[1].last_heartbeat = odd_instant(70);
        pool.reservations[1].supervisor = odd_process(71);
      },
  };
  const auto first = store_.subscribe_to_changes();
  const auto second = other_.subscribe_to_changes();
  for (std::size_t i = 0; i < changes.size(); ++i) {
    store_.update(changes[i]);
    EXPECT_TRUE(rings(*first)) << "change " << i;
    EXPECT_TRUE(rings(*second)) << "change " << i;
    first->renew();
    second->renew();
  }
}

TEST_P(StoreContract, ChangeOfNothingWakesNobody) {
  write(full_pool());
  const auto changes = store_.subscribe_to_changes();
  const auto granted = store_.subscribe_to("last");
  other_.update([](Pool&) {});
  other_.update([](Pool& pool) { pool = full_pool(); });
  EXPECT_TRUE(is_silent(*changes));
  EXPECT_TRUE(is_silent(*granted));
}

TEST_P(StoreContract, HeartbeatsAloneWakeNobodyAndAreKept) {
  write(full_pool());
  const auto changes = store_.subscribe_to_changes();
  const auto granted = store_.subscribe_to("last");
  other_.update([](Pool& pool) {
    pool.reservations[1].last_heartbeat = odd_instant(50);
    pool.queue[2].last_heartbeat = odd_instant(51);
  });
  EXPECT_TRUE(is_silent(*changes));
  EXPECT_TRUE(is_silent(*granted));
  EXPECT_EQ(store_.read().reservations[1].last_heartbeat, odd_instant(50));
  EXPECT_EQ(store_.read().queue[2].last_heartbeat, odd_instant(51));
}

TEST_P(StoreContract, ChangeThatThrowsWakesNobody) {
  const auto changes = store_.subscribe_to_changes();
  error_of([&] {
    other_.update([](Pool& pool) {
      pool.provider = "x";
      throw Error(ErrorKind::Failed, "no");
    });
  });
  EXPECT_TRUE(is_silent(*changes));
}

TEST_P(StoreContract, GrantRingsForItsRequest) {
  write(full_pool());
  const auto granted = store_.subscribe_to("last");
  other_.update([](Pool& pool) {
    pool.queue.pop_back();
    pool.reservations.push_back(full_reservation("last", 60));
  });
  EXPECT_TRUE(rings(*granted));
}

TEST_P(StoreContract, CancellingRingsForItsRequest) {
  write(full_pool());
  const auto granted = store_.subscribe_to("last");
  other_.update([](Pool& pool) { pool.queue.pop_back(); });
  EXPECT_TRUE(rings(*granted));
}

TEST_P(StoreContract, WhatHappensToOthersDoesNotRingForARequest) {
  write(full_pool());
  const auto granted = store_.subscribe_to("last");
  other_.update([](Pool& pool) {
    pool.queue.push_back(full_request("new", 8));
    pool.reservations.pop_back();
    pool.events.push_back(usage_event("r", 0, 1));
  });
  EXPECT_TRUE(is_silent(*granted));
}

TEST_P(StoreContract, RenewedSubscriptionForgets) {
  const auto changes = store_.subscribe_to_changes();
  other_.update([](Pool& pool) { pool.provider = "x"; });
  EXPECT_TRUE(rings(*changes));
  EXPECT_TRUE(rings(*changes)) << "until it is renewed";
  changes->renew();
  EXPECT_TRUE(is_silent(*changes));
  other_.update([](Pool& pool) { pool.provider = "y"; });
  EXPECT_TRUE(rings(*changes));
}

TEST_P(StoreContract, ManyChangesRingAsOne) {
  const auto changes = store_.subscribe_to_changes();
  for (int i = 0; i < 300; ++i) {
    other_.update([&](Pool& pool) { pool.provider = std::to_string(i); });
  }
  EXPECT_TRUE(rings(*changes));
  changes->renew();
  EXPECT_TRUE(is_silent(*changes));
}

TEST_P(StoreContract, SubscriptionOutlivesOthers) {
  const auto kept = store_.subscribe_to_changes();
  store_.subscribe_to_changes().reset();
  other_.update([](Pool& pool) { pool.provider = "x"; });
  EXPECT_TRUE(rings(*kept));
}

TEST_P(StoreContract, ChangeBetweenSubscribingAndReadingIsNotMissed) {
  const auto changes = store_.subscribe_to_changes();
  other_.update([](Pool& pool) { pool.provider = "x"; });
  EXPECT_EQ(store_.read().provider, "x");
  EXPECT_TRUE(rings(*changes));
}

// Side by side. Each thread has a handle of its own.

TEST_P(StoreContract, ReaderThatFollowsTheBellSeesTheLastChange) {
  constexpr std::uint64_t kChanges = 300;
  std::thread writer([&] {
    for (std::uint64_t i = 0; i < kChanges; ++i) {
      other_.update([](Pool& pool) { ++pool.next_arrival; });
    }
  });
  const auto changes = store_.subscribe_to_changes();
  bool woken = true;
  while (woken && store_.read().next_arrival < 1 + kChanges) {
    woken = rings(*changes);
    changes->renew();
  }
  writer.join();
  EXPECT_TRUE(woken) << "a change was missed";
}

TEST_P(StoreContract, TellsTheProviderAndThePolicyAlone) {
  EXPECT_EQ(store_.read_policy().provider, "");
  EXPECT_EQ(store_.read_policy().policy, Policy{});
  other_.update([](Pool& pool) { pool = full_pool(); });
  EXPECT_EQ(store_.read_policy().provider, full_pool().provider);
  EXPECT_EQ(store_.read_policy().policy, full_pool().policy);
  EXPECT_NE(full_pool().provider, "");
  EXPECT_NE(full_pool().policy, Policy{});
}

TEST_P(StoreContract, ForgetsAPolicyThatIsTheDefaultAgain) {
  store_.update([](Pool& pool) { pool = full_pool(); });
  other_.update([](Pool& pool) { pool.policy = {}; });
  EXPECT_EQ(store_.read().policy, Policy{});
  EXPECT_EQ(other_.read_policy().policy, Policy{});
}

TEST_P(StoreContract, ReadIsOneStateOfThePool) {
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 1; i <= 200; ++i) {
      other_.update([&](Pool& pool) {
        pool.provider = std::to_string(i);
        pool.gpus.assign(1, Gpu{});
        pool.gpus[0].model = pool.provider;
        pool.queue.assign(1, full_request("r", 1));
        pool.queue[0].note = pool.provider;
      });
    }
    done = true;
  });
  int states = 0;
  while (!done || states == 0) {
    const Pool pool = store_.read();
    if (pool.gpus.empty()) continue;
    ++states;
    EXPECT_EQ(pool.gpus[0].model, pool.provider);
    EXPECT_EQ(pool.queue.at(0).note, pool.provider);
  }
  writer.join();
  EXPECT_GT(states, 0);
}

std::shared_ptr<Store> same(const std::shared_ptr<Store>& store) { return store; }

// The server lives as long as the first handle.
std::shared_ptr<Store> start_redis(const TemporaryFolder& folder) {
  auto server = std::make_shared<RedisServer>(folder);
  std::shared_ptr<Store> store = open_redis_store(server->url());
  return {store.get(), [server, store](Store*) {}};
}

std::vector<StoreKind> all_kinds() {
  std::vector<StoreKind> kinds = {
      {"Memory", [](const TemporaryFolder&) { return std::make_shared<MemoryStore>(); }, same},
      {"Sqlite",
       [](const TemporaryFolder& folder) -> std::shared_ptr<Store> {
         return create_sqlite_store(folder.path("pool.db"), std::nullopt);
       },
       [](const std::shared_ptr<Store>& store) -> std::shared_ptr<Store> {
         return open_sqlite_store(store->location());
       }}};
  if (!redis_server_program().empty()) {
    kinds.push_back(
        {"Redis", start_redis, [](const std::shared_ptr<Store>& store) -> std::shared_ptr<Store> {
           return open_redis_store(store->location());
         }});
  }
  return kinds;
}

INSTANTIATE_TEST_SUITE_P(All, StoreContract, ::testing::ValuesIn(all_kinds()),
                         [](const auto& tested) { return tested.param.name; });

TEST(RedisServer, IsInstalledSoThatItsStoreIsTested) { CHG_REQUIRE_REDIS_SERVER(); }

}  // namespace
}  // namespace chg
