// What holds after every step of any history: random people ask, give back, die and wait.
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "core/changes.h"
#include "core/protocol.h"
#include "support/pool_builder.h"

namespace chg {
namespace {

using std::chrono::minutes;

constexpr int kGpus = 8;
constexpr int kSteps = 4'000;
constexpr std::size_t kWaitersMax = 12;

// One random history, and what it must keep to. The seed is fixed, so that a failure comes again.
class History {
 public:
  explicit History(unsigned seed) : random_(seed) {}

  void step() {
    change();
    scene_.reap();
    const Pool before = scene_.pool;
    const std::vector<std::string> granted = scene_.schedule();
    note_grants(before, granted);
    expect_nobody_overtaken(before, granted);
    expect_each_gpu_reserved_once();
    expect_nobody_waits_for_what_he_could_have();
    collect_records();
  }

  // Ends everything; then each granted GPU has exactly one record.
  void finish() {
    while (!scene_.pool.reservations.empty()) scene_.end(scene_.pool.reservations.front().id);
    collect_records();
    EXPECT_EQ(recorded_, granted_);
    EXPECT_GT(granted_.size(), static_cast<std::size_t>(kSteps) / 10) << "too dull a history";
    EXPECT_GT(waited_, kSteps / 10) << "too dull a history";
  }

 private:
  using GpuOfReservation = std::pair<std::string, int>;

  int below(int limit) { return std::uniform_int_distribution<int>(0, limit - 1)(random_); }

  template <typename Items>
  auto& any_of(Items& items) {
    return items[static_cast<std::size_t>(below(static_cast<int>(items.size())))];
  }

  void change() {
    scene_.clock.advance(std::chrono::seconds(below(90)));
    switch (below(10)) {
      case 0:
      case 1:
      case 2:
        return ask();
      case 3:
        return end_one();
      case 4:
        return release_some();
      case 5:
        return kill_somebody();
      case 6:
        return look();
      case 7:
        return drain_or_restore();
      case 8:
        return cancel_one();
      default:
        return give_one_back();
    }
  }

  void ask() {
    if (scene_.pool.queue.size() >= kWaitersMax) return;
    Ask ask{.id = "r" + std::to_string(++last_id_),
            .uid = kAlice + static_cast<std::uint32_t>(below(3)),
            .kind = below(2) == 0 ? ReservationKind::Run : ReservationKind::Manual,
            .count = 1 + below(below(4) == 0 ? kGpus : 2),
            .force = below(5) == 0,
            .duration = minutes(1 + below(20)),
            .pid = ++last_pid_};
    if (below(3) == 0) {
      std::set<int> named;
      for (int i = 0; i < ask.count; ++i) named.insert(below(kGpus));
      ask.gpu_ids.assign(named.begin(), named.end());
    }
    requests_[ask.id] = scene_.request(ask);
    enqueue(scene_.pool, requests_[ask.id]);
    requests_[ask.id] = scene_.pool.queue.back();
  }

  void end_one() {
    if (!scene_.pool.reservations.empty()) scene_.end(any_of(scene_.pool.reservations).id);
  }

  void release_some() {
    if (scene_.pool.reservations.empty()) return;
    const Reservation reservation = any_of(scene_.pool.reservations);
    if (reservation.kind == ReservationKind::Run) return;
    release(scene_.pool, {reservation.account, false}, {{reservation.gpus.front()}, {}, false},
            scene_.now());
  }

  void kill_somebody() {
    if (below(2) == 0 && !scene_.pool.queue.empty()) {
      scene_.liveness.set(any_of(scene_.pool.queue).waiter.pid, Liveness::Gone);
    } else if (!scene_.pool.reservations.empty()) {
      const auto& holder = any_of(scene_.pool.reservations).holder;
      if (holder) scene_.liveness.set(holder->pid, Liveness::Gone);
    }
  }

  void look() {
    std::vector<GpuReading> readings;
    for (int gpu = 0; gpu < kGpus; ++gpu) {
      const int fate = below(10);
      const std::uint32_t uid = kAlice + static_cast<std::uint32_t>(below(3));
      if (fate == 0) readings.push_back(broken_reading(gpu, "GPU is lost"));
      if (fate == 1) readings.push_back(reading(gpu, {{.uid = uid}}));
      if (fate > 1) readings.push_back(reading(gpu));
    }
    scene_.observe(scene_.observation(readings));
  }

  void drain_or_restore() {
    Gpu& gpu = any_of(scene_.pool.gpus);
    if (gpu.out_of_service || below(3) > 0) {
      gpu.out_of_service.reset();
    } else {
      gpu.out_of_service = "fan";
    }
  }

  void cancel_one() {
    if (scene_.pool.queue.empty()) return;
    const Request request = any_of(scene_.pool.queue);
    std::erase_if(scene_.pool.queue, [&](const Request& one) { return one.id == request.id; });
  }

  // A grant that turned out wrong: somebody uses the GPU after all.
  void give_one_back() {
    if (scene_.pool.reservations.empty()) return;
    const Reservation reservation = scene_.pool.reservations.back();
    const Request& request = requests_.at(reservation.id);
    if (static_cast<int>(reservation.gpus.size()) != request.count) return;
    return_to_queue(scene_.pool, request);
    scene_.gpu(reservation.gpus.front()).unavailable = use_by({kBob, kCarol});
    for (const int gpu : reservation.gpus) granted_.erase({reservation.id, gpu});
    // In its old place.
    EXPECT_TRUE(
        std::is_sorted(scene_.pool.queue.begin(), scene_.pool.queue.end(),
                       [](const Request& a, const Request& b) { return a.arrival < b.arrival; }));
  }

  void note_grants(const Pool& before, const std::vector<std::string>& granted) {
    for (const std::string& id : granted) {
      const Request& request = *find_request(before, id);
      const Gpus gpus = scene_.gpus_of(id);
      // All or nothing, and what was named.
      EXPECT_EQ(gpus.size(), static_cast<std::size_t>(request.count)) << id;
      if (!request.gpu_ids.empty()) {
        EXPECT_EQ(gpus, request.gpu_ids) << id;
      }
      EXPECT_EQ(scene_.liveness(request.waiter), Liveness::Alive) << id;
      for (const int gpu : gpus) {
        EXPECT_TRUE(is_usable(before, request, gpu)) << id << " on GPU " << gpu;
        EXPECT_TRUE(granted_.insert({id, gpu}).second) << id << " on GPU " << gpu;
      }
    }
  }

  // Written anew from the rules, and not from the code: whether this request may have this GPU at
  // all.
  static bool is_usable(const Pool& pool, const Request& request, int index) {
    for (const Reservation& reservation : pool.reservations) {
      if (std::count(reservation.gpus.begin(), reservation.gpus.end(), index) > 0) return false;
    }
    const Gpu& gpu = pool.gpus[static_cast<std::size_t>(index)];
    const bool is_named = request.gpu_ids.empty() ||
                          std::count(request.gpu_ids.begin(), request.gpu_ids.end(), index) > 0;
    if (!is_named || gpu.out_of_service) return false;
    if (!gpu.unavailable) return true;
    return request.force && gpu.unavailable->kind == Unavailability::Kind::UnreservedUse &&
           gpu.unavailable->uids == std::vector<std::uint32_t>{request.account.uid};
  }

  // Nobody gets a GPU that somebody could have used who came before him and still waits.
  void expect_nobody_overtaken(const Pool& before, const std::vector<std::string>& granted) const {
    for (const std::string& id : granted) {
      const std::uint64_t arrival = find_request(before, id)->arrival;
      for (const Request& waiter : scene_.pool.queue) {
        if (waiter.arrival > arrival || scene_.liveness(waiter.waiter) != Liveness::Alive) continue;
        for (const int gpu : scene_.gpus_of(id)) {
          EXPECT_FALSE(is_usable(before, waiter, gpu))
              << id << " overtook " << waiter.id << " on GPU " << gpu;
        }
      }
    }
  }

  void expect_each_gpu_reserved_once() const {
    std::set<int> reserved;
    for (const Reservation& reservation : scene_.pool.reservations) {
      EXPECT_FALSE(reservation.gpus.empty()) << reservation.id;
      for (const int gpu : reservation.gpus) {
        EXPECT_TRUE(reserved.insert(gpu).second) << "GPU " << gpu << " is reserved twice";
      }
    }
  }

  // The free GPUs are dealt out in order of arrival: who does not fit holds what he could use.
  void expect_nobody_waits_for_what_he_could_have() {
    std::set<int> held;
    const std::vector<Decision> decisions = explain(scene_.pool, scene_.now());
    for (std::size_t place = 0; place < scene_.pool.queue.size(); ++place) {
      const Request& waiter = scene_.pool.queue[place];
      if (scene_.liveness(waiter.waiter) != Liveness::Alive) continue;
      std::set<int> usable;
      for (int gpu = 0; gpu < kGpus; ++gpu) {
        if (held.count(gpu) == 0 && is_usable(scene_.pool, waiter, gpu)) usable.insert(gpu);
      }
      EXPECT_LT(usable.size(), static_cast<std::size_t>(waiter.count)) << waiter.id << " waits";
      EXPECT_EQ(decisions[place].held, Gpus(usable.begin(), usable.end())) << waiter.id;
      held.insert(usable.begin(), usable.end());
      ++waited_;
    }
  }

  void collect_records() {
    for (const UsageRecord& record : usage_of(scene_.pool.events)) {
      EXPECT_TRUE(recorded_.insert({record.reservation_id, record.gpu}).second)
          << record.reservation_id << " has two records of GPU " << record.gpu;
      EXPECT_LE(record.started, record.ended);
      EXPECT_LE(record.ended, scene_.now().wall);
    }
    scene_.pool.events.clear();
  }

  Scene scene_{kGpus};
  std::mt19937 random_;
  std::map<std::string, Request> requests_;
  std::set<GpuOfReservation> granted_;
  std::set<GpuOfReservation> recorded_;
  int last_id_ = 0;
  int last_pid_ = 1'000;
  int waited_ = 0;
};

class AnyHistory : public ::testing::TestWithParam<unsigned> {};

TEST_P(AnyHistory, KeepsToTheRules) {
  History history(GetParam());
  for (int i = 0; i < kSteps && !::testing::Test::HasFailure(); ++i) history.step();
  if (!::testing::Test::HasFailure()) history.finish();
}

INSTANTIATE_TEST_SUITE_P(Seeds, AnyHistory, ::testing::Values(1U, 20261124U));

}  // namespace
}  // namespace chg
