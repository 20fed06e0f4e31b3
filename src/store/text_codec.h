// The composite values of schema.sql as texts, and back. Reading throws Error(Failed) for a text
// that no version of this program has written: the store is damaged.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/pool.h"

namespace chg::text_codec {

std::string write(const Instant& instant);
Instant read_instant(std::string_view text);

std::string write(const ProcessIdentity& process);
ProcessIdentity read_process(std::string_view text);

/// "BOOT_ID NAME"
std::string write(const HostIdentity& host);
HostIdentity read_host(std::string_view text);

std::string write(const std::vector<ProcessIdentity>& processes);
std::vector<ProcessIdentity> read_processes(std::string_view text);

/// "0,2,3"; "" for none.
template <typename Number>
std::string write_numbers(const std::vector<Number>& numbers);
template <typename Number>
std::vector<Number> read_numbers(std::string_view text);

std::string write(const std::map<std::uint32_t, WallTime>& last_used);
std::map<std::uint32_t, WallTime> read_last_used(std::string_view text);

std::string write(ReservationKind kind);
ReservationKind read_kind(std::string_view text);

std::string write(EndReason end);
EndReason read_end(std::string_view text);

std::string write(Unavailability::Kind kind);
Unavailability::Kind read_unavailability_kind(std::string_view text);

std::int64_t write(WallTime time);
WallTime read_wall_time(std::int64_t nanoseconds);

}  // namespace chg::text_codec
