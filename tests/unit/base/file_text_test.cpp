#include "base/file_text.h"

#include <cerrno>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "support/temporary_folder.h"

namespace chg {
namespace {

TEST(FileText, IsAllOfTheFile) {
  const TemporaryFolder folder;
  // More than one piece, with every byte in it.
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += static_cast<char>(i);
  EXPECT_EQ(read_file(folder.write("file", text)), text);
  EXPECT_EQ(read_file(folder.write("file", "")), "");
}

TEST(FileText, IsNoMoreThanIsWanted) {
  const TemporaryFolder folder;
  const std::string path = folder.write("file", std::string(50'000, 'x'));
  for (const std::size_t size : {0U, 1U, 16'384U, 16'385U, 49'999U, 50'000U}) {
    EXPECT_EQ(read_file(path, size), std::string(size, 'x'));
  }
  EXPECT_EQ(read_file(path, 50'001)->size(), 50'000U);
}

TEST(FileText, BeginsWhereTheDescriptorIs) {
  const TemporaryFolder folder;
  const UniqueFd file(::open(folder.write("file", "one two").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::lseek(file.get(), 4, SEEK_SET), 4);
  EXPECT_EQ(read_to_end(file.get()), "two");
}

TEST(FileText, OfAFileThatTheKernelMakesUpIsThereThoughItHasNoSize) {
  EXPECT_NE(read_file("/proc/stat").value().find("\nprocesses "), std::string::npos);
}

TEST(FileText, IsMissingWithTheReason) {
  const TemporaryFolder folder;
  EXPECT_FALSE(read_file(folder.path("absent")));
  EXPECT_EQ(errno, ENOENT);
  EXPECT_FALSE(read_file(folder.path()));
  EXPECT_EQ(errno, EISDIR);
}

TEST(FileText, FollowsNoLinkWhenItIsToldSo) {
  const TemporaryFolder folder;
  const std::string link = folder.path("link");
  ASSERT_EQ(::symlink(folder.write("file", "text").c_str(), link.c_str()), 0);
  EXPECT_EQ(read_file(link), "text");
  EXPECT_FALSE(read_file(link, std::string::npos, O_NOFOLLOW));
}

}  // namespace
}  // namespace chg
