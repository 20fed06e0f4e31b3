// The host's accounts and groups, from wherever its NSS has them. nullopt where there is none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace chg {

std::optional<std::uint32_t> uid_of_account(const std::string& name);

std::optional<std::string> name_of_account(std::uint32_t uid);

std::optional<std::uint32_t> gid_of_group(const std::string& name);

}  // namespace chg
