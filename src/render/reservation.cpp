#include "render/reservation.h"

#include <fmt/format.h>

#include "base/shell_word.h"
#include "core/gpu_ids.h"
#include "render/json_output.h"

namespace chg {

std::string reservation_text(
    const Reservation& reservation,
    const std::vector<std::pair<std::string, std::optional<std::string>>>& variables,
    WallTime now) {
  std::string line = "export";
  std::string others;
  for (const auto& [name, value] : variables) {
    if (value) {
      line += fmt::format(" {}={}", name, shell_word(*value));
    } else {
      others += " " + name;
    }
  }
  if (!others.empty()) line += "; unset" + others;
  const std::string ids = to_id_list(reservation.gpus);
  return fmt::format(
      "reserved {} until {}; copy this line to use {}:\n"
      "{}\n"
      "give back with: canhazgpu release --gpu-ids {}\n",
      to_gpu_names(reservation.gpus), to_local_text(*reservation.ends, now),
      reservation.gpus.size() == 1 ? "it" : "them", line, ids);
}

std::string reservation_json(const Reservation& reservation) {
  Json object;
  object["reservation_id"] = reservation.id;
  object["gpu_ids"] = reservation.gpus;
  object["user"] = display_name(reservation.account, reservation.label);
  object["account"] = reservation.account.name;
  if (!reservation.label.empty()) object["label"] = reservation.label;
  object["expiry_time"] = to_rfc3339(*reservation.ends);
  if (!reservation.note.empty()) object["note"] = reservation.note;
  return json_text(object);
}

}  // namespace chg
