// By what an AMD GPU is known: the same from whatever source it was read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/observation.h"

namespace chg {

/// "GPU-" and 16 hexadecimal digits, as the ROCm runtime calls it. Where the card has no unique id
/// (0), "PCI-" and its address, and "-2" behind it for its partition 2; "" when that is unknown
/// too.
std::string amd_uuid(std::uint64_t unique_id, const std::string& pci_bus_id, int partition = 0);

/// The name under which people know the card; "" for what a tool or a driver says where it knows
/// none: a number such as "0x1002".
std::string readable_model(const std::string& name);

/// The unique id in a UUID that the ROCm runtime knows; nullopt for any other.
std::optional<std::uint64_t> unique_id_of(std::string_view uuid);

/// Puts the readings in the order of their PCI addresses, as amd-smi does, and numbers them so;
/// those without an address come last. A UUID that several share (the partitions of one card) is
/// replaced by that of the address.
void put_in_bus_order(std::vector<GpuReading>& gpus);

}  // namespace chg
