#include "base/error.h"

#include <cerrno>

#include <gtest/gtest.h>

namespace chg {
namespace {

TEST(Error, CarriesKindMessageAndHint) {
  const Error error(ErrorKind::Usage, "unknown gpu '9'", "this host has 8");
  EXPECT_EQ(error.kind(), ErrorKind::Usage);
  EXPECT_STREQ(error.what(), "unknown gpu '9'");
  EXPECT_EQ(error.hint(), "this host has 8");
}

TEST(Error, HasNoHintUnlessGiven) { EXPECT_EQ(Error(ErrorKind::Failed, "it broke").hint(), ""); }

TEST(Error, ExitsWithTheStatusOfItsKind) {
  const auto status = [](ErrorKind kind) { return Error(kind, "x").exit_status(); };
  EXPECT_EQ(status(ErrorKind::Failed), 1);
  EXPECT_EQ(status(ErrorKind::Usage), 2);
  EXPECT_EQ(status(ErrorKind::Unavailable), 75);
  EXPECT_EQ(status(ErrorKind::NotPermitted), 77);
  EXPECT_EQ(status(ErrorKind::NotExecutable), 126);
  EXPECT_EQ(status(ErrorKind::NotFound), 127);
  EXPECT_EQ(status(ErrorKind::Interrupted), 130);
}

TEST(ErrnoError, SaysWhatTheSystemSays) {
  const Error error = errno_error("cannot open '/x'", ENOENT, "make it");
  EXPECT_STREQ(error.what(), "cannot open '/x': No such file or directory");
  EXPECT_EQ(error.hint(), "make it");
}

TEST(ErrnoError, IsNotPermittedForPermissionsOnly) {
  EXPECT_EQ(errno_error("x", EACCES).kind(), ErrorKind::NotPermitted);
  EXPECT_EQ(errno_error("x", EPERM).kind(), ErrorKind::NotPermitted);
  EXPECT_EQ(errno_error("x", ENOENT).kind(), ErrorKind::Failed);
  EXPECT_EQ(errno_error("x", EIO).kind(), ErrorKind::Failed);
}

TEST(Error, IsTransientOnlyWhereThatIsSaid) {
  const Error error(ErrorKind::Unavailable, "the server is away", "wait");
  EXPECT_FALSE(error.is_transient());
  EXPECT_TRUE(error.with(Retry::Later).is_transient());
  EXPECT_TRUE(error.with(Retry::Busy).is_transient());
  EXPECT_EQ(error.with(Retry::Busy).retry(), Retry::Busy);
  EXPECT_EQ(error.with(Retry::Later).kind(), ErrorKind::Unavailable);
  EXPECT_STREQ(error.with(Retry::Later).what(), "the server is away");
  EXPECT_EQ(error.with(Retry::Later).hint(), "wait");
}

TEST(ErrnoError, IsTransientForShortagesOnly) {
  for (const int shortage : {EAGAIN, EDQUOT, EIO, ENFILE, ENOMEM, ENOSPC, EROFS}) {
    EXPECT_TRUE(errno_error("x", shortage).is_transient()) << shortage;
  }
  for (const int lasting : {EACCES, EPERM, ENOENT, EINVAL, EMFILE}) {
    EXPECT_FALSE(errno_error("x", lasting).is_transient()) << lasting;
  }
}

TEST(ThrowErrno, ThrowsTheCurrentErrno) {
  errno = EACCES;
  try {
    throw_errno("cannot open '/x'");
    FAIL() << "throws";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "cannot open '/x': Permission denied");
    EXPECT_EQ(error.kind(), ErrorKind::NotPermitted);
  }
}

}  // namespace
}  // namespace chg
