#include "base/shell_word.h"

#include <array>
#include <cstdio>

#include <gtest/gtest.h>

namespace chg {
namespace {

std::string output_of(const std::string& command) {
  std::string output;
  std::FILE* const pipe = ::popen(command.c_str(), "r");
  std::array<char, 256> buffer{};
  while (const std::size_t size = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    output.append(buffer.data(), size);
  }
  ::pclose(pipe);
  return output;
}

TEST(ShellWord, LeavesAHarmlessWordAlone) {
  for (const char* word : {"alice", "/var/lib/pool.db", "redis://host:6379/0", "a=1", "-x"}) {
    EXPECT_EQ(shell_word(word), word);
  }
}

TEST(ShellWord, QuotesTheRest) {
  EXPECT_EQ(shell_word(""), "''");
  EXPECT_EQ(shell_word("two words"), "'two words'");
  EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_word("=ls"), "'=ls'");
  EXPECT_EQ(shell_word("~"), "'~'");
  EXPECT_EQ(shell_word("ä"), "'ä'");
}

TEST(ShellWord, IsPrintable) {
  EXPECT_EQ(shell_word("a\nb"), "$'a\\012b'");
  EXPECT_EQ(shell_word("\x1b[31m!'\\"), "$'\\033[31m\\041\\047\\134'");
  EXPECT_EQ(shell_word("\xff"), "$'\\377'");
  EXPECT_EQ(shell_word("\u202e"), "$'\\342\\200\\256'");
}

TEST(ShellWord, MeansThatTextToAShell) {
  std::string all;
  for (int c = 1; c < 256; ++c) all += static_cast<char>(c);
  for (const std::string& text : {all, std::string("'x'; touch P; echo ''"), std::string("$(id)"),
                                  std::string("`id`"), std::string("a b\t*?[]{}<>|&;#~")}) {
    // popen asks sh, which may not know $'…'.
    const std::string command = "printf %s " + shell_word(text);
    ASSERT_EQ(::setenv("SHELL_WORD_TEST", command.c_str(), 1), 0);
    EXPECT_EQ(output_of("bash -c 'eval \"$SHELL_WORD_TEST\"'"), text);
  }
}

}  // namespace
}  // namespace chg
