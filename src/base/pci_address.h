// PCI addresses, as the kernel and the tools write them.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace chg {

struct PciAddress {
  std::uint32_t domain = 0;
  std::uint32_t bus = 0;       ///< 0 to 255
  std::uint32_t device = 0;    ///< 0 to 31
  std::uint32_t function = 0;  ///< 0 to 7

  auto operator<=>(const PciAddress&) const = default;
};

/// Reads "0000:3b:00.0": hexadecimal, in either case, with 1 to 8 digits of domain. nullopt when
/// `text` is anything else.
std::optional<PciAddress> parse_pci_address(std::string_view text);

/// "0000:3b:00.0", lower case.
std::string to_text(const PciAddress& address);

}  // namespace chg
