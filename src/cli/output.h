// The one place that prints. All that people read is made safe here, so nobody else has to see to
// it: what a terminal would interpret is shown as printable() shows it.
#pragma once

#include <string>

#include "base/error.h"

namespace chg {

/// What a command says that only shows, where it can't.
inline constexpr const char* kOutputHint =
    "make room where the output goes, or send it somewhere else; nothing was changed";

/// What a command says that has changed something, where it can't say what.
inline constexpr const char* kOutputHintOfChange =
    "it is done all the same; see what stands: canhazgpu status";

/// Writes the result of a command to stdout. Its lines stay lines, and the colours of style.h
/// colours. Throws Error(Failed) with this hint if that fails (a full disk). If the reader has gone
/// away, SIGPIPE ends the program as usual.
void print(const std::string& text, const char* hint = kOutputHint);

/// Writes "canhazgpu: TEXT" to stderr, as one line.
void say_line(const std::string& text);

/// Writes "canhazgpu: error: MESSAGE" to stderr, and "hint: HINT" if there is one, each as one
/// line.
void say_error(const std::string& message, const std::string& hint);

/// Asks on the terminal; anything but "y" or "yes" is no.
bool ask(const std::string& question);

}  // namespace chg
