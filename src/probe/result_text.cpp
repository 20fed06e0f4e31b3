#include "probe/result_text.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <stdexcept>

#include "base/json.h"
#include "core/fields.h"

namespace chg {

constexpr auto words_of(const Retry*) {
  return std::to_array<std::string_view>({"no", "later", "busy"});
}

constexpr auto words_of(const ReadFailure::Reason*) {
  return std::to_array<std::string_view>({"library_missing", "library_unusable", "library_mismatch",
                                          "driver_not_loaded", "crashed", "late", "other"});
}

namespace {

struct Result {
  std::optional<Observation> observation;  // nullopt: the rest says why there is none
  ReadFailure::Reason reason = ReadFailure::Reason::Other;
  int kind = 0;
  std::string message;
  std::string hint;
  Retry retry = Retry::No;
};

constexpr auto fields_of(const Result*) {
  return std::tuple(field("observation", &Result::observation), field("reason", &Result::reason),
                    field("kind", &Result::kind), field("message", &Result::message),
                    field("hint", &Result::hint), field("retry", &Result::retry));
}

ErrorKind error_kind(int number) {
  constexpr ErrorKind kKinds[] = {ErrorKind::Failed,        ErrorKind::Usage,
                                  ErrorKind::Unavailable,   ErrorKind::NotPermitted,
                                  ErrorKind::NotExecutable, ErrorKind::NotFound,
                                  ErrorKind::Interrupted};
  const auto* const known = std::find(std::begin(kKinds), std::end(kKinds), ErrorKind(number));
  if (known == std::end(kKinds)) throw std::invalid_argument("no such kind of error");
  return *known;
}

}  // namespace

std::string result_text(const ReadResult& result) {
  Result sent;
  if (const auto* observation = std::get_if<Observation>(&result)) {
    sent.observation = *observation;
  } else {
    const auto& [reason, error] = std::get<ReadFailure>(result);
    sent = {{}, reason, static_cast<int>(error.kind()), error.what(), error.hint(), error.retry()};
  }
  return write_json(sent);
}

ReadResult parse_result(std::string_view text) {
  try {
    auto sent = read_json<Result>(text);
    if (sent.observation) return std::move(*sent.observation);
    return ReadFailure{sent.reason,
                       Error(error_kind(sent.kind), sent.message, sent.hint).with(sent.retry)};
  } catch (const std::invalid_argument&) {
    throw Error(ErrorKind::Failed, "what it has written down is damaged");
  }
}

}  // namespace chg
