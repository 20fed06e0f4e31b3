#include "base/process_stat.h"

#include <string>

#include <gtest/gtest.h>

namespace chg {
namespace {

const std::string kRest = " S 60 61 62 34816 63 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 1000 200\n";

TEST(ProcessStat, IsReadWhateverTheNameHolds) {
  for (const char* name : {"python3", "a b", ") R 1 (", "", "(", ")"}) {
    const auto stat = parse_process_stat("77 (" + std::string(name) + ")" + kRest);
    ASSERT_TRUE(stat) << name;
    EXPECT_EQ(stat->pid, 77);
    EXPECT_EQ(stat->name, name);
    EXPECT_EQ(stat->state, 'S');
    EXPECT_EQ(stat->parent, 60);
    EXPECT_EQ(stat->session, 62);
    EXPECT_EQ(stat->start_ticks, 123456U);
  }
}

TEST(ProcessStat, IsMissingWhereTheTextBreaksOffOrIsNone) {
  const std::string whole = "77 (a)" + kRest;
  const std::size_t end = whole.find("123456");
  for (std::size_t size = 0; size < end; ++size) {
    EXPECT_FALSE(parse_process_stat(whole.substr(0, size))) << size;
  }
  EXPECT_TRUE(parse_process_stat(whole.substr(0, end + 6)));
  for (const char* text : {"x (a)", "77 (a", ") (", "(a) 77"}) {
    EXPECT_FALSE(parse_process_stat(text + kRest)) << text;
  }
  for (const char* word : {"60", "62", "123456"}) {
    std::string damaged = whole;
    damaged.replace(damaged.find(word), 1, "x");
    EXPECT_FALSE(parse_process_stat(damaged)) << word;
  }
}

TEST(ProcessLimits, TellTheLimitOfLocks) {
  const std::string before = "Limit   Soft Limit  Hard Limit  Units\nMax locked memory 5 6 bytes\n";
  EXPECT_EQ(parse_lock_limit(before + "Max file locks            77   unlimited   locks  \n"), 77U);
  for (const char* line :
       {"", "Max file locks    unlimited  unlimited  locks\n", "Max file locks"}) {
    EXPECT_FALSE(parse_lock_limit(before + line)) << line;
  }
}

TEST(ProcessStatus, TellsTheSignalsThatAreIgnored) {
  const std::string text = "SigBlk:\t0000000000000001\nSigIgn:\t8000000000001006\nSigCgt:\t1\n";
  for (const int number : {2, 3, 13, 64}) EXPECT_TRUE(parse_ignores_signal(text, number)) << number;
  for (const int number : {-1, 0, 1, 4, 63, 65}) {
    EXPECT_FALSE(parse_ignores_signal(text, number)) << number;
  }
  EXPECT_FALSE(parse_ignores_signal("SigIgn:\tx\n", 2));
  EXPECT_FALSE(parse_ignores_signal("", 2));
}

}  // namespace
}  // namespace chg
