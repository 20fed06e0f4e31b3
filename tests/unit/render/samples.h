// Values for the tests of render: one moment, and GPUs in the states that views must tell apart.
#pragma once

#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/overview.h"

namespace chg::samples {

/// Local times mean UTC, wherever the tests run.
class InUtc : public ::testing::Test {
 protected:
  InUtc() {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
  }
};

/// 2026-11-24 13:00:00 UTC.
inline Instant noon() {
  const WallTime wall(std::chrono::seconds(1795525200));
  return {wall, std::chrono::hours(100), "boot"};
}

inline Instant ago(Duration duration) {
  return {noon().wall - duration, noon().boot - duration, "boot"};
}

inline WallTime in(Duration duration) { return noon().wall + duration; }

inline Duration hms(int hours, int minutes, int seconds) {
  return std::chrono::hours(hours) + std::chrono::minutes(minutes) + std::chrono::seconds(seconds);
}

inline GpuProcess process(int pid, const std::string& program, const std::string& user,
                          std::optional<std::uint64_t> memory_mib) {
  GpuProcess process;
  process.pid = pid;
  process.program = program;
  process.user = user;
  if (!user.empty()) process.uid = 1000;
  process.memory_mib = memory_mib;
  return process;
}

inline GpuReading reading(int index, std::optional<std::uint64_t> used_mib,
                          const std::vector<GpuProcess>& processes = {}) {
  GpuReading reading;
  reading.index = index;
  reading.model = "NVIDIA H100 80GB HBM3";
  reading.memory_used_mib = used_mib;
  reading.memory_total_mib = 81559;
  reading.processes = processes;
  return reading;
}

/// A GPU with nothing on it, read as holding 45 MiB.
inline GpuOverview available(int index) {
  GpuOverview gpu;
  gpu.gpu.index = index;
  gpu.gpu.uuid = "GPU-" + std::to_string(index);
  gpu.gpu.model = "NVIDIA H100 80GB HBM3";
  gpu.reading = reading(index, 45);
  return gpu;
}

inline GpuOverview with_use(GpuOverview gpu, const std::vector<GpuProcess>& processes,
                            std::optional<std::uint64_t> used_mib) {
  gpu.users = processes;
  gpu.reading = reading(gpu.gpu.index, used_mib, processes);
  gpu.in_use = true;
  gpu.unlisted_use = unlisted_memory_mib(*gpu.reading).value_or(0) > Policy{}.memory_threshold_mib;
  return gpu;
}

/// Run by alice, since 15 minutes and 30 seconds.
inline GpuOverview run(int index) {
  GpuOverview gpu = available(index);
  gpu.status = GpuStatus::InUse;
  Reservation reservation;
  reservation.id = "r-" + std::to_string(index);
  reservation.account = {1000, "alice"};
  reservation.gpus = {index};
  reservation.started = ago(hms(0, 15, 30));
  reservation.last_heartbeat = ago(hms(0, 0, 5));
  gpu.reservation = reservation;
  return gpu;
}

/// Reserved by hand by charlie, since 1h 2m 15s, for another 3h 15m 45s.
inline GpuOverview manual(int index) {
  GpuOverview gpu = run(index);
  gpu.reservation->account = {1001, "charlie"};
  gpu.reservation->kind = ReservationKind::Manual;
  gpu.reservation->started = ago(hms(1, 2, 15));
  gpu.reservation->ends = in(hms(3, 15, 45));
  return gpu;
}

inline GpuOverview unreserved(int index, const std::vector<GpuProcess>& processes,
                              std::optional<std::uint64_t> used_mib) {
  GpuOverview gpu = with_use(available(index), processes, used_mib);
  gpu.status = GpuStatus::Unreserved;
  return gpu;
}

inline GpuOverview failed(int index, const std::string& error) {
  GpuOverview gpu = available(index);
  gpu.status = GpuStatus::Error;
  gpu.error = error;
  gpu.reading->error = error;
  gpu.reading->memory_used_mib.reset();
  return gpu;
}

inline GpuOverview out_of_service(int index, const std::string& note) {
  GpuOverview gpu = available(index);
  gpu.status = GpuStatus::OutOfService;
  gpu.gpu.out_of_service = note;
  return gpu;
}

/// The four GPUs of the contract.
inline Overview contract() {
  GpuOverview released = available(0);
  released.gpu.last_released = ago(hms(0, 30, 15));
  return {
      noon(),
      {released, with_use(run(1), {process(7, "python3", "alice", 8452)}, 8500),
       unreserved(2, {process(12345, "python3", "bob", 1000), process(67890, "jupyter", "bob", 24)},
                  1100),
       manual(3)},
      "",
      {}};
}

inline Overview of(const GpuOverview& gpu) { return {noon(), {gpu}, "", {}}; }

/// Texts that a user can put into a note, a label, a program's name: each a trap for somebody.
inline std::vector<std::string> nasty_texts() {
  return {"two\nlines\r\n\ttabbed",
          "\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b[2J",
          "\x9b"
          "31m C1 \xc2\x9b"
          "31m",
          "bytes \xff\xfe\xc0\x80 no UTF-8 \xf0\x9f",
          "\xf0\x9f\x9a\x80 \xf0\xa0\x9c\x8e wide \xe6\xbc\xa2\xe5\xad\x97",
          "\xe2\x80\xae"
          "evil\xe2\x80\xac zero\xe2\x80\x8bwidth",
          "e" + std::string("\xcc\x81") + "\xcc\x81\xcc\x81 combining",
          std::string("nul\0byte", 8),
          std::string(10000, 'x'),
          std::string(10000, '\n'),
          "\" quoted \\ \" [validated] (run) - used by PID 1"};
}

/// A host on which every text from outside is `text`.
inline Overview everywhere(const std::string& text) {
  GpuOverview held = with_use(run(1), {process(7, text, text, 8452)}, 8500);
  held.reservation->account.name = text;
  held.reservation->label = text + "2";
  held.reservation->note = text;
  held.foreign = {process(8, text, text, 12)};
  held.leftovers = {process(9, text, text, 12)};
  held.command_ended = true;
  held.gpu.out_of_service = text;
  held.reading->processes[0].command_line = "vllm serve " + text;
  GpuOverview kept = available(3);
  kept.held_for = text;
  kept.held_position = 1;
  kept.reading->model = text;
  GpuOverview lost = run(4);
  lost.reading->error = text;
  return {noon(),
          {available(0), held, unreserved(2, {process(7, text, text, 1)}, 500), kept, lost,
           failed(5, text), out_of_service(6, text)},
          "",
          {}};
}

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::string line;
  for (const char c : text) {
    if (c == '\n') {
      lines.push_back(line);
      line.clear();
    } else {
      line += c;
    }
  }
  if (!line.empty()) lines.push_back(line + " (and no newline)");
  return lines;
}

/// Whether a terminal would do anything but show it: C0, DEL, and C1 as UTF-8.
inline bool has_control(const std::string& text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7f) return true;
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
    if (byte == 0xc2 && next >= 0x80 && next < 0xa0) return true;
  }
  return false;
}

}  // namespace chg::samples
