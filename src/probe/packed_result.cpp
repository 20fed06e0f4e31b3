#include "probe/packed_result.h"

#include <algorithm>
#include <iterator>
#include <variant>

#include "probe/packed.h"
#include "probe/packed_observation.h"

namespace chg {

bool is_known(ReadFailure::Reason reason) {
  return reason >= ReadFailure::Reason::LibraryMissing && reason <= ReadFailure::Reason::Other;
}

bool is_known(ErrorKind kind) {
  constexpr ErrorKind kKinds[] = {ErrorKind::Failed,        ErrorKind::Usage,
                                  ErrorKind::Unavailable,   ErrorKind::NotPermitted,
                                  ErrorKind::NotExecutable, ErrorKind::NotFound,
                                  ErrorKind::Interrupted};
  return std::find(std::begin(kKinds), std::end(kKinds), kind) != std::end(kKinds);
}

bool is_known(Retry retry) { return retry <= Retry::Busy; }

std::string packed_result(const ReadResult& result) {
  Packer pack;
  pack(result.index());
  if (const auto* observation = std::get_if<Observation>(&result)) {
    pack(*observation);
  } else {
    const auto& [reason, error] = std::get<ReadFailure>(result);
    pack(reason, error.kind(), std::string(error.what()), error.hint(), error.retry());
  }
  return pack.bytes();
}

ReadResult unpacked_result(std::string_view bytes) {
  Unpacker unpack(bytes);
  std::size_t index = 0;
  unpack(index);
  Observation observation;
  ReadFailure::Reason reason{};
  ErrorKind kind{};
  std::string message;
  std::string hint;
  Retry retry{};
  if (index == 0) {
    unpack(observation);
  } else {
    unpack(reason, kind, message, hint, retry);
  }
  unpack.expect_end();
  if (index == 0) return observation;
  return ReadFailure{reason, Error(kind, message, hint).with(retry)};
}

}  // namespace chg
