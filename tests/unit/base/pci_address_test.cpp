#include "base/pci_address.h"

#include <gtest/gtest.h>

namespace chg {
namespace {

std::string read_and_said(const std::string& text) {
  const auto address = parse_pci_address(text);
  return address ? to_text(*address) : "none";
}

TEST(PciAddress, IsReadInEitherCaseAndWithAnyDomain) {
  EXPECT_EQ(read_and_said("0000:3B:00.0"), "0000:3b:00.0");
  EXPECT_EQ(read_and_said("00000000:0a:1f.7"), "0000:0a:1f.7");
  EXPECT_EQ(read_and_said("10000:01:00.0"), "10000:01:00.0");
}

TEST(PciAddress, IsNotReadFromOtherText) {
  for (const char* text : {"", ":", "::.", "N/A", "0000:3b:00", "3b:00.0", "0000:3b:00.8",
                           "0000:3b:20.0", "0000:100:00.0", "0000:3b:00.0 ", " 0000:3b:00.0",
                           "-1:3b:00.0", "100000000:3b:00.0", "0x00:3b:00.0"}) {
    EXPECT_EQ(read_and_said(text), "none") << text;
  }
}

TEST(PciAddress, IsOrderedAsANumber) {
  EXPECT_LT(parse_pci_address("0000:c3:00.0"), parse_pci_address("10000:03:00.0"));
  EXPECT_LT(parse_pci_address("0000:03:00.0"), parse_pci_address("0000:03:00.1"));
}

}  // namespace
}  // namespace chg
