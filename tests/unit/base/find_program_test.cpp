#include "base/find_program.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "support/path_variable.h"
#include "support/temporary_folder.h"

namespace chg {
namespace {

TEST(FindProgram, FindsTheFirstInPath) {
  const TemporaryFolder first;
  const TemporaryFolder second;
  const PathVariable path(first.path() + ":" + second.path());
  second.write_script("gpu-tool", "");
  EXPECT_EQ(find_program("gpu-tool"), second.path("gpu-tool"));
  first.write_script("gpu-tool", "");
  EXPECT_EQ(find_program("gpu-tool"), first.path("gpu-tool"));
}

TEST(FindProgram, FindsNothingThatCannotBeExecuted) {
  const TemporaryFolder folder;
  const PathVariable path(folder.path());
  folder.write("gpu-tool", "#!/bin/sh\n");
  std::filesystem::create_directory(folder.path("gpu-folder"));
  EXPECT_EQ(find_program("gpu-tool"), std::nullopt);
  EXPECT_EQ(find_program("gpu-folder"), std::nullopt);
  EXPECT_EQ(find_program("gpu-nothing"), std::nullopt);
  EXPECT_EQ(find_program(""), std::nullopt);
}

TEST(FindProgram, TakesANameWithSlashAsAPath) {
  const TemporaryFolder folder;
  const PathVariable path("");
  const std::string script = folder.write_script("gpu-tool", "");
  EXPECT_EQ(find_program(script), script);
  EXPECT_EQ(find_program(folder.path("missing")), std::nullopt);
}

}  // namespace
}  // namespace chg
