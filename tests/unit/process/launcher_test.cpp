#include "process/launcher.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/child.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace chg {
namespace {

class ResolveCommand : public ::testing::Test {
 protected:
  ResolveCommand() {
    for (const char* name : {"a", "b"}) {
      EXPECT_EQ(::mkdir(folder_.path(name).c_str(), 0755), 0);
    }
  }

  std::string program(const std::string& name) { return folder_.write(name, "#!/bin/sh\n", 0755); }

  std::string path_of_both() const { return folder_.path("a") + ":" + folder_.path("b"); }

  TemporaryFolder folder_;
};

TEST_F(ResolveCommand, FindsTheFirstInThePath) {
  const std::string second = program("b/tool");
  EXPECT_EQ(resolve_command("tool", path_of_both()), second);
  const std::string first = program("a/tool");
  EXPECT_EQ(resolve_command("tool", path_of_both()), first);
}

TEST_F(ResolveCommand, PassesOverWhatCannotBeRunWhereAnotherCan) {
  folder_.write("a/tool", "text", 0644);
  const std::string second = program("b/tool");
  EXPECT_EQ(resolve_command("tool", path_of_both()), second);
}

TEST_F(ResolveCommand, PassesOverADirectoryOfThatName) {
  ASSERT_EQ(::mkdir(folder_.path("a/tool").c_str(), 0755), 0);
  const std::string second = program("b/tool");
  EXPECT_EQ(resolve_command("tool", path_of_both()), second);
}

TEST_F(ResolveCommand, TakesANameWithASlashAsItIs) {
  const std::string file = program("a/tool");
  EXPECT_EQ(resolve_command(file, ""), file);
}

TEST_F(ResolveCommand, SearchesNoPathForANameWithASlash) {
  program("a/tool");
  expect_error(ErrorKind::NotFound, "command './tool' not found",
               [&] { resolve_command("./tool", path_of_both()); });
}

TEST_F(ResolveCommand, TakesAnEmptyPartOfThePathForTheWorkingDirectory) {
  program("tool");
  EXPECT_EQ(run_in_child([&] {
              if (::chdir(folder_.path().c_str()) != 0) return std::string("no such folder");
              return resolve_command("tool", "/nonexistent:") + " " + resolve_command("tool", "") +
                     " " + resolve_command("tool", ":/nonexistent");
            }),
            "./tool ./tool ./tool");
}

TEST_F(ResolveCommand, Says127ForWhatIsNowhere) {
  const Error error = error_of([&] { resolve_command("no-such-tool", path_of_both()); });
  EXPECT_EQ(error.exit_status(), 127);
  EXPECT_STREQ(error.what(), "command 'no-such-tool' not found");
  EXPECT_EQ(error.hint(), "is it installed, and in a folder of your PATH?");
}

TEST_F(ResolveCommand, Says127ForAnEmptyName) {
  program("a/tool");
  expect_error(ErrorKind::NotFound, "command '' not found",
               [&] { resolve_command("", path_of_both()); });
}

TEST_F(ResolveCommand, Says127WhenAPartOfThePathIsAFile) {
  const std::string file = program("a/tool");
  expect_error(ErrorKind::NotFound, "not found", [&] { resolve_command("other", file); });
  expect_error(ErrorKind::NotFound, "not found", [&] { resolve_command(file + "/x", ""); });
}

TEST_F(ResolveCommand, Says126ForAFileThatMayNotBeRun) {
  const std::string file = folder_.write("a/tool", "text", 0644);
  const Error error = error_of([&] { resolve_command(file, ""); });
  EXPECT_EQ(error.exit_status(), 126);
  EXPECT_NE(error.hint().find("chmod +x -- " + file + ";"), std::string::npos) << error.hint();
  expect_error(ErrorKind::NotExecutable, "command 'tool' is not executable",
               [&] { resolve_command("tool", path_of_both()); });
}

TEST_F(ResolveCommand, Says126ForADirectory) {
  expect_error(ErrorKind::NotExecutable, "is a directory",
               [&] { resolve_command(folder_.path("a"), ""); });
}

TEST_F(ResolveCommand, Says127ForANameThatOnlyADirectoryInThePathHas) {
  ASSERT_EQ(::mkdir(folder_.path("a/tool").c_str(), 0755), 0);
  expect_error(ErrorKind::NotFound, "not found", [&] { resolve_command("tool", path_of_both()); });
}

// The directory of that name in the working directory has nothing to do with it.
TEST_F(ResolveCommand, SpeaksOfTheFileInThePathAndNotOfADirectoryHere) {
  folder_.write("a/tool", "text", 0644);
  ASSERT_EQ(::mkdir(folder_.path("tool").c_str(), 0755), 0);
  const std::string said = run_in_child([&] {
    if (::chdir(folder_.path().c_str()) != 0) return std::string("no such folder");
    return resolve_command("tool", path_of_both());
  });
  EXPECT_TRUE(said.starts_with("error 126: command 'tool' is not executable")) << said;
}

TEST_F(ResolveCommand, ExplainsSeveralWordsInOneQuote) {
  const Error error = error_of([&] { resolve_command("python train.py", path_of_both()); });
  EXPECT_EQ(error.exit_status(), 127);
  EXPECT_NE(error.hint().find("separate words"), std::string::npos) << error.hint();
}

TEST_F(ResolveCommand, ShowsANameWithControlCharactersHarmlessly) {
  expect_error(ErrorKind::NotFound, "'x\\x1b[31m'",
               [&] { resolve_command("x\x1b[31m", path_of_both()); });
}

TEST(Become, RunsTheCommandWithItsArgumentsAndVariables) {
  const TemporaryFolder folder;
  const std::string out = folder.path("out");
  Child child([&] {
    ::setenv("NEW", "old value", 1);
    ::setenv("GONE", "x", 1);
    become("/bin/sh",
           {"shown-name", "-c", "printf '%s|' \"$0\" \"$@\" \"$NEW\" \"${GONE-unset}\" >" + out,
            "zero", "a b", ""},
           {{"NEW", "new value"}, {"GONE", std::nullopt}});
    return 1;
  });
  EXPECT_EQ(child.wait(), 0);
  std::ifstream file(out);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(text, "zero|a b||new value|unset|");
}

TEST(Become, RunsAScriptWithoutItsFirstLine) {
  const TemporaryFolder folder;
  const std::string script = folder.write("script", "exit 7\n", 0755);
  Child child([&] {
    become(script, {script}, {});
    return 1;
  });
  const int status = child.wait();
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

TEST(Become, Says127WhenTheInterpreterIsMissing) {
  const TemporaryFolder folder;
  const std::string script = folder.write("script", "#!/no/such/interpreter\n", 0755);
  const std::string said = run_in_child([&]() -> std::string { become(script, {script}, {}); });
  EXPECT_TRUE(said.starts_with("error 127: cannot run '" + script + "'")) << said;
}

TEST(Become, Says126WhenItMayNotBeRun) {
  const TemporaryFolder folder;
  const std::string file = folder.write("file", "text", 0644);
  const std::string said = run_in_child([&]() -> std::string { become(file, {file}, {}); });
  EXPECT_TRUE(said.starts_with("error 126: cannot run '" + file + "'")) << said;
}

}  // namespace
}  // namespace chg
