#include "base/unique_fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace chg {
namespace {

bool is_open(int fd) { return fcntl(fd, F_GETFD) != -1; }

int open_null() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

TEST(UniqueFd, OwnsNothingAtFirst) {
  const UniqueFd fd;
  EXPECT_FALSE(fd);
  EXPECT_EQ(fd.get(), -1);
}

TEST(UniqueFd, TakesMinusOneForNothing) { EXPECT_FALSE(UniqueFd(-1)); }

TEST(UniqueFd, ClosesAtTheEndOfItsLife) {
  const int number = open_null();
  {
    const UniqueFd fd(number);
    EXPECT_TRUE(fd);
    EXPECT_EQ(fd.get(), number);
    EXPECT_TRUE(is_open(number));
  }
  EXPECT_FALSE(is_open(number));
}

TEST(UniqueFd, OwnsDescriptorZero) {
  const int saved = dup(0);
  close(0);
  {
    const UniqueFd fd(open_null());
    EXPECT_EQ(fd.get(), 0);
    EXPECT_TRUE(fd);
  }
  EXPECT_FALSE(is_open(0));
  if (saved >= 0) {
    dup2(saved, 0);
    close(saved);
  }
}

TEST(UniqueFd, HandsOverWhenMoved) {
  UniqueFd first(open_null());
  const int number = first.get();
  const UniqueFd second(std::move(first));
  EXPECT_EQ(second.get(), number);
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): that it is empty is the promise.
  EXPECT_TRUE(is_open(number));
}

TEST(UniqueFd, ClosesWhatItHadWhenAssigned) {
  UniqueFd first(open_null());
  UniqueFd second(open_null());
  const int closed = first.get();
  const int kept = second.get();
  first = std::move(second);
  EXPECT_EQ(first.get(), kept);
  EXPECT_TRUE(is_open(kept));
  EXPECT_FALSE(is_open(closed));
}

TEST(UniqueFd, SurvivesBeingAssignedToItself) {
  UniqueFd fd(open_null());
  UniqueFd& same = fd;
  const int number = fd.get();
  fd = std::move(same);
  EXPECT_EQ(fd.get(), number);
  EXPECT_TRUE(is_open(number));
}

TEST(UniqueFd, ClosesWhenReset) {
  UniqueFd fd(open_null());
  const int number = fd.get();
  fd.reset();
  EXPECT_FALSE(fd);
  EXPECT_FALSE(is_open(number));
}

}  // namespace
}  // namespace chg
