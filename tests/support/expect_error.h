#pragma once

#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "base/error.h"

namespace chg {

/// The Error that `action` must throw.
inline Error error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  } catch (const std::exception& error) {
    ADD_FAILURE() << "not an Error, but: " << error.what();
    return Error(ErrorKind::Failed, "");
  }
  ADD_FAILURE() << "no error";
  return Error(ErrorKind::Failed, "");
}

/// That `action` throws an Error of this kind whose message holds `part`.
inline void expect_error(ErrorKind kind, const std::string& part,
                         const std::function<void()>& action) {
  const Error error = error_of(action);
  EXPECT_EQ(error.kind(), kind) << error.what();
  EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
}

}  // namespace chg
