#include "probe/packed_result.h"

#include <algorithm>
#include <iterator>
#include <variant>

#include "base/packed.h"
#include "core/fields.h"

namespace chg {

namespace {

// Why there is no observation.
struct Failure {
  ReadFailure::Reason reason{};
  int kind = 0;
  std::string message;
  std::string hint;
  Retry retry = Retry::No;
};

constexpr auto fields_of(const Failure*) {
  return std::tuple(field("reason", &Failure::reason), field("kind", &Failure::kind),
                    field("message", &Failure::message), field("hint", &Failure::hint),
                    field("retry", &Failure::retry));
}

ErrorKind error_kind(int number) {
  constexpr ErrorKind kKinds[] = {ErrorKind::Failed,        ErrorKind::Usage,
                                  ErrorKind::Unavailable,   ErrorKind::NotPermitted,
                                  ErrorKind::NotExecutable, ErrorKind::NotFound,
                                  ErrorKind::Interrupted};
  const auto* const known = std::find(std::begin(kKinds), std::end(kKinds), ErrorKind(number));
  if (known == std::end(kKinds))
    throw Error(ErrorKind::Failed, "what it has written down is damaged");
  return *known;
}

}  // namespace

constexpr auto words_of(const Retry*) {
  return std::to_array<std::string_view>({"no", "later", "busy"});
}

constexpr auto words_of(const ReadFailure::Reason*) {
  return std::to_array<std::string_view>({"library_missing", "library_unusable", "library_mismatch",
                                          "driver_not_loaded", "crashed", "late", "other"});
}

std::string packed_result(const ReadResult& result) {
  Packer pack;
  pack(result.index());
  if (const auto* observation = std::get_if<Observation>(&result)) {
    pack(*observation);
  } else {
    const auto& [reason, error] = std::get<ReadFailure>(result);
    pack(
        Failure{reason, static_cast<int>(error.kind()), error.what(), error.hint(), error.retry()});
  }
  return pack.bytes();
}

ReadResult unpacked_result(std::string_view bytes) {
  Unpacker unpack(bytes);
  std::size_t index = 0;
  unpack(index);
  Observation observation;
  Failure failure;
  if (index == 0) {
    unpack(observation);
  } else {
    unpack(failure);
  }
  unpack.expect_end();
  if (index == 0) return observation;
  return ReadFailure{
      failure.reason,
      Error(error_kind(failure.kind), failure.message, failure.hint).with(failure.retry)};
}

}  // namespace chg
