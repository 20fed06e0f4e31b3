#include "render/events.h"

#include <chrono>

#include <fmt/format.h>

#include "base/duration_text.h"
#include "base/json.h"
#include "core/fields.h"
#include "core/gpu_ids.h"
#include "render/json_output.h"
#include "render/outside_text.h"
#include "render/words.h"

namespace chg {
namespace {

std::string word_text(EventKind kind) {
  std::string word(word_of(kind));
  for (char& letter : word) {
    if (letter == '_') letter = ' ';
  }
  return word;
}

std::string word_text(EndReason end) {
  return end == EndReason::TimedOut ? "timed out" : std::string(word_of(end));
}

Color color_of(EventKind kind) {
  switch (kind) {
    case EventKind::Granted:
    case EventKind::Taken:
      return Color::Green;
    case EventKind::GpusLost:
      return Color::Red;
    case EventKind::Cancelled:
    case EventKind::Returned:
    case EventKind::Drained:
    case EventKind::Cleared:
      return Color::Yellow;
    default:
      return Color::None;
  }
}

// With the day, whatever it is: lines that are followed are read later.
std::string local_time(WallTime at) { return to_local_text(at, at + std::chrono::hours(48)); }

std::string gpus_text(const Event& event) {
  if (!event.gpus.empty()) return to_gpu_names(event.gpus);
  return event.count > 0 ? count_of(event.count, "GPU") : "";
}

std::string how_text(const Event& event) {
  if (!event.how || !event.started) return "";
  return fmt::format("{} after {}", word_text(*event.how), to_hms(event.at - *event.started));
}

// Who did it, where the reader would not think so anyway.
std::string actor_text(const Event& event) {
  if (!event.actor || event.id.empty() || event.actor->uid == event.owner.uid) return "";
  return "by " + shown_name(event.actor->name);
}

}  // namespace

std::string event_line(const Event& event, const Style& style) {
  const std::string word = fmt::format("{:<14}", word_text(event.kind));
  std::string line =
      fmt::format("{}  {}  {}", local_time(event.at), painted(word, color_of(event.kind), style),
                  event.id.empty() ? "" : shown_name(event.id) + "  ");
  line += shown_owner(event.owner, event.label);
  const auto add = [&](const std::string& text) {
    if (!text.empty()) line += "  " + text;
  };
  add(gpus_text(event));
  if (!event.within.empty()) add("inside " + shown_name(event.within));
  add(how_text(event));
  if (event.ends) add("until " + local_time(*event.ends));
  add(actor_text(event));
  add(shown_note(event.detail));
  if (!event.note.empty()) add(fmt::format("\"{}\"", shown_note(event.note)));
  add(shown_note(event.command));
  return line + "\n";
}

std::string event_json(const Event& event) {
  Json object;
  object["event"] = word_of(event.kind);
  object["time"] = to_rfc3339(event.at);
  object["time_unix_ns"] = event.at.time_since_epoch().count();
  if (event.actor) object["actor"] = event.actor->name;
  if (event.actor) object["actor_uid"] = event.actor->uid;
  if (!event.id.empty()) {
    object["id"] = event.id;
    object["user"] = display_name(event.owner, event.label);
    object["account"] = event.owner.name;
    object["uid"] = event.owner.uid;
    if (!event.label.empty()) object["label"] = event.label;
    object["reservation_type"] = kind_word(event.reservation_kind);
  }
  if (!event.note.empty()) object["note"] = event.note;
  if (!event.command.empty()) object["command"] = event.command;
  if (event.count > 0) object["requested_count"] = event.count;
  if (!event.gpus.empty()) object["gpus"] = event.gpus;
  if (event.started) {
    object["start_time"] = to_rfc3339(*event.started);
    object["duration_seconds"] =
        std::chrono::duration_cast<std::chrono::seconds>(event.at - *event.started).count();
  }
  if (event.how) object["how"] = word_of(*event.how);
  if (!event.within.empty()) object["within"] = event.within;
  if (event.ends) object["expiry_time"] = to_rfc3339(*event.ends);
  if (!event.detail.empty()) object["detail"] = event.detail;
  // As json_text, on one line.
  return object.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n";
}

}  // namespace chg
