#include "view/remote_host.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace chg {
namespace {

// As long as a name of the DNS, with an account.
constexpr std::size_t kLengthMax = 300;

bool may_stand_in_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view(".-_:@[]").find(c) != std::string_view::npos;
}

}  // namespace

void require_remote_host(const std::string& name) {
  const std::size_t at = name.rfind('@');
  const std::string host = at == std::string::npos ? name : name.substr(at + 1);
  const bool good = !host.empty() && at != 0 && name.size() <= kLengthMax && name.front() != '-' &&
                    host.front() != '-' && std::all_of(name.begin(), name.end(), may_stand_in_name);
  if (good) return;
  throw Error(ErrorKind::Usage, fmt::format("'{}' is no name of a host", printable(name, 60)),
              "write a name or address as ssh takes it: gpu1, alice@gpu1.example.org");
}

}  // namespace chg
