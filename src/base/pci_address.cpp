#include "base/pci_address.h"

#include <fmt/format.h>

#include "base/number.h"
#include "base/text.h"

namespace chg {
namespace {

std::optional<std::uint32_t> hexadecimal(std::string_view text, std::uint32_t max) {
  const auto value = parse<std::uint32_t>(text, 16);
  return value && *value <= max ? value : std::nullopt;
}

}  // namespace

std::optional<PciAddress> parse_pci_address(std::string_view text) {
  const auto domain = hexadecimal(cut(text, ':'), 0xffffffff);
  const auto bus = hexadecimal(cut(text, ':'), 0xff);
  const auto device = hexadecimal(cut(text, '.'), 0x1f);
  const auto function = hexadecimal(text, 7);
  if (!domain || !bus || !device || !function) return std::nullopt;
  return PciAddress{*domain, *bus, *device, *function};
}

std::string to_text(const PciAddress& address) {
  return fmt::format("{:04x}:{:02x}:{:02x}.{:x}", address.domain, address.bus, address.device,
                     address.function);
}

}  // namespace chg
