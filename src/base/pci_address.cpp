#include "base/pci_address.h"

#include <charconv>

#include <fmt/format.h>

namespace chg {
namespace {

// Cuts a hexadecimal number that `end` ends from the front of `rest`.
std::optional<std::uint32_t> cut_number(std::string_view& rest, std::string_view end,
                                        std::uint32_t max) {
  const std::size_t length = end.empty() ? rest.size() : rest.find(end);
  if (length == 0 || length == std::string_view::npos) return std::nullopt;
  std::uint32_t value = 0;
  const char* const stop = rest.data() + length;
  const auto [read_to, problem] = std::from_chars(rest.data(), stop, value, 16);
  if (problem != std::errc() || read_to != stop || value > max) return std::nullopt;
  rest.remove_prefix(length + end.size());
  return value;
}

}  // namespace

std::optional<PciAddress> parse_pci_address(std::string_view text) {
  const auto domain = cut_number(text, ":", 0xffffffff);
  const auto bus = domain ? cut_number(text, ":", 0xff) : std::nullopt;
  const auto device = bus ? cut_number(text, ".", 0x1f) : std::nullopt;
  const auto function = device ? cut_number(text, "", 7) : std::nullopt;
  if (!function) return std::nullopt;
  return PciAddress{*domain, *bus, *device, *function};
}

std::string to_text(const PciAddress& address) {
  return fmt::format("{:04x}:{:02x}:{:02x}.{:x}", address.domain, address.bus, address.device,
                     address.function);
}

}  // namespace chg
