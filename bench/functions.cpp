// What the decisions and the codecs cost: Google Benchmark. Changed pools are made anew for each
// turn, outside of the measured time.
#include <chrono>

#include <benchmark/benchmark.h>

#include "bench/pools.h"
#include "core/reap.h"
#include "core/report.h"
#include "core/schedule.h"
#include "store/difference.h"
#include "store/records.h"

namespace chg::bench {
namespace {

const Instant kNow = at(30'000);

// Measures `work` on a copy of the pool.
template <typename Work>
void measure(benchmark::State& state, const Pool& pool, Work work) {
  for ([[maybe_unused]] auto _ : state) {
    Pool copy = pool;
    const auto begin = std::chrono::steady_clock::now();
    work(copy);
    const auto end = std::chrono::steady_clock::now();
    state.SetIterationTime(std::chrono::duration<double>(end - begin).count());
  }
}

int argument(const benchmark::State& state, std::size_t index) {
  return static_cast<int>(state.range(index));
}

void schedule_all(Pool& pool) { benchmark::DoNotOptimize(schedule(pool, {kNow, alive})); }

// The floor of all that reads a pool: each GPU, reservation and request looked at once.
void walk(benchmark::State& state) {
  measure(state, pool(argument(state, 0), 0, argument(state, 1)), [](const Pool& pool) {
    std::size_t sum = 0;
    for (const Gpu& gpu : pool.gpus) sum += static_cast<std::size_t>(gpu.index);
    for (const Reservation& reservation : pool.reservations) sum += reservation.gpus.size();
    for (const Request& request : pool.queue) sum += static_cast<std::size_t>(request.count);
    benchmark::DoNotOptimize(sum);
  });
}

void schedule_full(benchmark::State& state) {
  measure(state, pool(argument(state, 0), 0, argument(state, 1)), schedule_all);
}

// One GPU has come free, and the first that waits takes it.
void schedule_one(benchmark::State& state) {
  Pool one = pool(argument(state, 0), 1, argument(state, 1));
  one.queue.front().count = 1;
  measure(state, one, schedule_all);
}

// Half of the GPUs are free, but everybody waits for one that is not, by its name.
void schedule_named(benchmark::State& state) {
  const int gpus = argument(state, 0);
  Pool named = pool(gpus, gpus / 2, argument(state, 1));
  for (std::size_t i = 0; i < named.queue.size(); ++i) {
    named.queue[i].count = 1;
    named.queue[i].gpu_ids = {static_cast<int>(i) % (gpus - gpus / 2)};
  }
  measure(state, named, schedule_all);
}

// All GPUs are free at one moment, after a drain or a reboot, say.
void schedule_idle(benchmark::State& state) {
  Pool idle = pool(argument(state, 0), argument(state, 0), argument(state, 1));
  idle.queue.front().count = 1;
  measure(state, idle, schedule_all);
}

void explain_all(benchmark::State& state) {
  measure(state, pool(argument(state, 0), 1, argument(state, 1)),
          [](const Pool& pool) { benchmark::DoNotOptimize(explain(pool, kNow)); });
}

void explain_last(benchmark::State& state) {
  const Pool full = pool(argument(state, 0), 1, argument(state, 1));
  const std::string last = full.queue.back().id;
  measure(state, full,
          [&](const Pool& pool) { benchmark::DoNotOptimize(explain(pool, last, kNow)); });
}

void reap_nothing(benchmark::State& state) {
  const Pool full = pool(argument(state, 0), 0, argument(state, 1));
  const Observation seen = observation(full);
  measure(state, full, [&](Pool& pool) { reap(pool, {kNow, alive, &seen}); });
}

void observe_all(benchmark::State& state) {
  const Pool full = pool(argument(state, 0), argument(state, 0) / 2, argument(state, 1));
  const Observation seen = observation(full);
  measure(state, full, [&](Pool& pool) { observe(pool, seen); });
}

void difference_of_one(benchmark::State& state) {
  const Pool before = pool(argument(state, 0), 0, argument(state, 1));
  Pool after = before;
  after.queue.erase(after.queue.begin());
  measure(state, after,
          [&](const Pool& pool) { benchmark::DoNotOptimize(difference(before, pool)); });
}

void copy_of_the_pool(benchmark::State& state) {
  const Pool full = pool(argument(state, 0), 0, argument(state, 1));
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(Pool(full));
}

void report_of_history(benchmark::State& state) {
  const auto records = history(argument(state, 0), 1000, kNow.wall);
  for ([[maybe_unused]] auto _ : state) {
    UsageSums sums(kNow.wall - std::chrono::hours(24 * 3650), kNow.wall, ReportBy::User, local_day);
    for (const UsageRecord& record : records) sums.add(record);
    benchmark::DoNotOptimize(sums.finish());
  }
}

// What every command does with the pool that the store holds.
void read_records(benchmark::State& state) {
  const auto records = records::writes(pool(argument(state, 0), 0, argument(state, 1)));
  for ([[maybe_unused]] auto _ : state) {
    Pool read;
    for (const auto& [field, record] : records) records::add(read, field, *record);
    records::put_in_order(read);
    benchmark::DoNotOptimize(read);
  }
}

void write_records(benchmark::State& state) {
  const Pool full = pool(argument(state, 0), 0, argument(state, 1));
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(records::writes(full));
}

// A usual host, a large one, and ten times the waiters each.
void sizes(benchmark::internal::Benchmark* one) {
  one->Args({8, 10})->Args({8, 100})->Args({8, 1000})->Args({8, 10'000});
  one->Args({100, 10'000})->Args({1024, 10'000});
  one->UseManualTime()->Unit(benchmark::kMicrosecond);
}

BENCHMARK(walk)->Apply(sizes);
BENCHMARK(schedule_full)->Apply(sizes);
BENCHMARK(schedule_one)->Apply(sizes);
BENCHMARK(schedule_named)->Apply(sizes);
BENCHMARK(schedule_idle)->Apply(sizes);
BENCHMARK(explain_last)->Apply(sizes);
BENCHMARK(explain_all)
    ->Args({8, 100})
    ->Args({8, 1000})
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(reap_nothing)
    ->Args({8, 100})
    ->Args({1024, 10'000})
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(observe_all)
    ->Args({8, 100})
    ->Args({1024, 10'000})
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(difference_of_one)
    ->Args({8, 100})
    ->Args({1024, 10'000})
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(copy_of_the_pool)->Args({8, 100})->Args({1024, 10'000})->Unit(benchmark::kMicrosecond);
BENCHMARK(report_of_history)->Arg(100'000)->Unit(benchmark::kMicrosecond);
BENCHMARK(read_records)->Args({8, 10})->Args({8, 1000})->Unit(benchmark::kMicrosecond);
BENCHMARK(write_records)->Args({8, 10})->Args({8, 1000})->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace chg::bench

BENCHMARK_MAIN();
