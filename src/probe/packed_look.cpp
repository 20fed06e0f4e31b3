#include "probe/packed_look.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <variant>

#include "base/packed.h"
#include "core/fields.h"

namespace chg {

namespace {

// How a look ended, when there is no observation.
struct Failure {
  LookFailure::Reason reason{};
  int kind = 0;
  std::string message;
  std::string hint;
  bool is_passing = false;
};

constexpr auto fields_of(const Failure*) {
  return std::tuple(field("reason", &Failure::reason), field("kind", &Failure::kind),
                    field("message", &Failure::message), field("hint", &Failure::hint),
                    field("is_passing", &Failure::is_passing));
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

constexpr auto words_of(const LookFailure::Reason*) {
  return std::to_array<std::string_view>({"library_missing", "library_unusable", "library_mismatch",
                                          "driver_not_loaded", "crashed", "late", "other"});
}

std::string packed_look(const LookResult& result) {
  Packer pack;
  pack(result.index());
  if (const auto* observation = std::get_if<Observation>(&result)) {
    pack(*observation);
  } else {
    const auto& [reason, error] = std::get<LookFailure>(result);
    pack(Failure{reason, static_cast<int>(error.kind()), error.what(), error.hint(),
                 error.is_passing()});
  }
  return pack.bytes();
}

LookResult unpacked_look(std::string_view bytes) {
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
  const Error error(error_kind(failure.kind), failure.message, failure.hint);
  return LookFailure{failure.reason, failure.is_passing ? error.passing() : error};
}

}  // namespace chg
