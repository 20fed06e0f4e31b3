#include "base/random_id.h"

#include <string_view>

#include <sys/random.h>

#include "base/error.h"

namespace chg {

std::string readable_id(std::uint64_t bits) {
  constexpr std::string_view kLetters = "0123456789abcdefghjkmnpqrstvwxyz";  // Crockford's base 32
  std::string id;
  for (int i = 0; i < 8; ++i, bits >>= 5U) id += kLetters[bits % kLetters.size()];
  return id;
}

std::uint64_t random_number() {
  std::uint64_t bits = 0;
  if (getrandom(&bits, sizeof bits, 0) != static_cast<ssize_t>(sizeof bits)) {
    throw_errno("cannot get random bytes");
  }
  return bits >> 11U;
}

std::string random_id() { return readable_id(random_number()); }

}  // namespace chg
