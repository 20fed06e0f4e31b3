// What people are meant to copy into a shell.
#pragma once

#include <string>
#include <string_view>

namespace chg {

/// `text` as one word of a shell, which means that text and nothing else, whatever is in it: as it
/// is where that is safe, else in quotes. Printable; what a terminal would interpret is written
/// $'\033', as bash, zsh and ksh read it. A text that begins with a dash stays one: write it behind
/// an option that takes a value.
std::string shell_word(std::string_view text);

}  // namespace chg
