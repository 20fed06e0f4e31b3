#include "core/process_identity.h"

#include "base/text.h"

namespace chg {

// Below any hard limit but a finite one, and a number that no limit of locks has by chance.
std::uint64_t job_mark(const std::string& reservation_id) {
  return hash_of(reservation_id) >> 2U | std::uint64_t{1} << 61U;
}

}  // namespace chg
