// A single value as nvidia-smi prints it. Pure.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace chg::nvidia_smi_value {

/// Whether the field has words in place of a value: "[N/A]", "N/A", "[Not Supported]", "ERR!" …
bool is_placeholder(std::string_view field);

/// The field, or "" for a placeholder.
std::string_view text_of(std::string_view field);

/// A whole number, with `unit` behind it or without. Another unit would be another quantity:
/// missing, as for everything that is no number.
std::optional<std::uint64_t> number_of(std::string_view field, std::string_view unit = {});

/// The same from 0 to `max`.
std::optional<int> small_number_of(std::string_view field, int max, std::string_view unit = {});

/// What nvidia-smi calls a process is its program's path, or that with arguments behind it: the
/// program's name; "" for a placeholder.
std::string_view program_of(std::string_view process_name);

/// What these fields of a GPU say of the GPU as a whole: that it is lost, must be reset, or answers
/// ERR!, the first of these that any of them says; "" when none does.
std::string broken_gpu(std::initializer_list<std::string_view> fields);

}  // namespace chg::nvidia_smi_value
