#include "bench/pools.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/schedule.h"

namespace chg::bench {
namespace {

constexpr const char* kBoot = "5d1f0f2e-8c1b-4b0e-9c4e-3f6f0f3f8a01";
constexpr std::uint64_t kNamespace = 4026531836;
constexpr int kPeople = 20;

Account account(int number) {
  const int person = number % kPeople;
  return {1000 + static_cast<std::uint32_t>(person), fmt::format("user{:02}", person)};
}

Gpu gpu(int index) {
  Gpu made;
  made.index = index;
  made.uuid = fmt::format("GPU-00000000-0000-0000-0000-{:012}", index);
  made.model = "Simulated H100 80GB";
  made.last_released = at(index);
  made.last_used_by_uid[account(index).uid] = at(index).wall;
  return made;
}

Reservation run_on(int index) {
  Reservation reservation;
  reservation.id = fmt::format("held{:04}", index);
  reservation.account = account(index);
  reservation.gpus = {index};
  reservation.started = reservation.last_heartbeat = at(2000 + index);
  reservation.holder = process(10'000 + 2 * index);
  reservation.supervisor = process(10'001 + 2 * index);
  return reservation;
}

}  // namespace

Instant at(int seconds) {
  const std::chrono::seconds passed(seconds);
  return {WallTime(std::chrono::seconds(1'790'000'000) + passed), passed, kBoot};
}

ProcessIdentity process(int pid) {
  return {"host", kBoot, kNamespace, pid, 100 + static_cast<std::uint64_t>(pid)};
}

Liveness alive(const ProcessIdentity& /*process*/) { return Liveness::Alive; }

Request waiting(int number, int count) {
  Request request;
  request.id = fmt::format("wait{:05}", number);
  request.account = account(number);
  request.note = "ablation 3";
  request.count = count;
  request.enqueued = request.last_heartbeat = at(5000 + number);
  request.waiter = process(100'000 + number);
  return request;
}

Pool pool(int gpus, int free, int waiters) {
  Pool made;
  made.provider = "fake";
  for (int index = 0; index < gpus; ++index) {
    made.gpus.push_back(gpu(index));
    if (index < gpus - free) made.reservations.push_back(run_on(index));
  }
  for (int number = 0; number < waiters; ++number) {
    const int count = number == 0 ? free + 1 : 1 + number % 8;
    enqueue(made, waiting(number, std::min(count, gpus)));
  }
  return made;
}

Observation observation(const Pool& pool) {
  Observation seen;
  seen.taken = at(20'000);
  seen.observer = process(1);
  for (const Gpu& gpu : pool.gpus) {
    GpuReading reading;
    reading.index = gpu.index;
    reading.uuid = gpu.uuid;
    reading.memory_used_mib = 45;
    reading.memory_total_mib = 81'559;
    if (const Reservation* reservation = reservation_of(pool, gpu.index)) {
      GpuProcess job;
      job.pid = reservation->holder->pid;
      job.start_ticks = reservation->holder->start_ticks;
      job.uid = reservation->account.uid;
      job.user = reservation->account.name;
      job.program = "python3";
      job.memory_mib = 40'000;
      job.reservation_id = reservation->id;
      reading.memory_used_mib = 40'045;
      reading.processes.push_back(std::move(job));
    }
    seen.gpus.push_back(std::move(reading));
  }
  return seen;
}

std::vector<UsageRecord> history(int count, int per_day, WallTime until) {
  const Duration apart = Duration(std::chrono::hours(24)) / per_day;
  std::vector<UsageRecord> records;
  records.reserve(static_cast<std::size_t>(count));
  for (int number = 0; number < count; ++number) {
    UsageRecord record;
    record.reservation_id = fmt::format("{:08}", number);
    record.gpu = number % 8;
    record.account = account(number * 7);
    record.kind = number % 10 == 0 ? ReservationKind::Manual : ReservationKind::Run;
    record.ended = until - (count - number) * apart;
    // Up to two days, most much shorter.
    record.started = record.ended - std::chrono::seconds(1 + 172'000 / (1 + number % 97));
    record.end = number % 50 == 0 ? EndReason::Lost : EndReason::Finished;
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace chg::bench
