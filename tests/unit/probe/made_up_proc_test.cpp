#include <filesystem>
#include <limits>

#include <gtest/gtest.h>
#include <unistd.h>

#include "probe/processes/proc_reader.h"
#include "support/temporary_folder.h"

namespace chg {
namespace {

// A made-up /proc with one process.
class MadeUpProc : public ::testing::Test {
 protected:
  void SetUp() override {
    put("stat", stat("python3", 'R', 123456));
    put("status", "Name:\tpython3\nUmask:\t0022\nUid:\t4294000001\t7\t8\t9\nGid:\t5\t5\t5\t5\n");
    put("cmdline", std::string("/usr/bin/python3\0train.py\0", 26));
    put("environ", std::string("A=1\0CANHAZGPU_RESERVATION=r-1\0", 30));
  }

  static std::string stat(const std::string& name, char state, std::uint64_t start_ticks,
                          int parent = 0) {
    return "77 (" + name + ") " + state + " " + std::to_string(parent) +
           " 77 77 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 " + std::to_string(start_ticks) +
           " 1000 200 18446744073709551615 1 1 0\n";
  }
  void put(const std::string& name, const std::string& text) { folder_.write("77/" + name, text); }
  void lose(const std::string& name) { std::filesystem::remove(folder_.path("77/" + name)); }
  GpuProcess facts() {
    GpuProcess process;
    process.pid = 77;
    ProcReader(folder_.path(), folder_.path()).fill(process);
    return process;
  }
  bool is_running() { return ProcReader(folder_.path()).is_running(77); }

  TemporaryFolder folder_;
};

TEST_F(MadeUpProc, IsReadWhole) {
  const GpuProcess process = facts();
  EXPECT_EQ(process.start_ticks, 123456U);
  EXPECT_EQ(process.uid, 4294000001U);
  EXPECT_EQ(process.program, "python3");
  EXPECT_EQ(process.command_line, "/usr/bin/python3 train.py");
  EXPECT_EQ(process.reservation_id, "r-1");
  EXPECT_TRUE(is_running());
}

TEST_F(MadeUpProc, IsOfAContainerWithAName) {
  const std::string id(64, 'e');
  put("cgroup", "0::/system.slice/docker-" + id + ".scope\n");
  EXPECT_EQ(facts().container, (Container{"docker", id, ""}));
  folder_.write("var/lib/docker/containers/" + id + "/config.v2.json", R"({"Name": "/trainer"})");
  EXPECT_EQ(facts().container, (Container{"docker", id, "trainer"}));
  EXPECT_EQ(facts().unit, "");
}

TEST_F(MadeUpProc, IsOfAUnitOrASession) {
  EXPECT_EQ(facts().container, std::nullopt);
  EXPECT_EQ(facts().unit, "");
  put("cgroup", "0::/system.slice/ollama.service\n");
  EXPECT_EQ(facts().unit, "ollama.service");
  put("cgroup", "0::/user.slice/user-7.slice/session-12.scope\n");
  EXPECT_EQ(facts().session, "12");
  EXPECT_EQ(facts().unit, "");
}

TEST_F(MadeUpProc, StartedSoLongAfterTheBoot) {
  put("stat", stat("a", 'R', static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK)) * 5 / 2));
  EXPECT_EQ(facts().started, std::chrono::milliseconds(2500));
  put("stat", stat("a", 'R', std::numeric_limits<std::uint64_t>::max()));
  EXPECT_GT(facts().started, std::chrono::hours(1));
  put("stat", "77 (a) R 1 2");
  EXPECT_EQ(facts().started, std::nullopt);
}

TEST_F(MadeUpProc, KnowsItsAncestors) {
  put("stat", stat("a", 'R', 500, 60));
  folder_.write("60/stat", stat("sh", 'S', 400, 1));
  EXPECT_TRUE(facts().ancestors.empty());  // one of them is hidden
  folder_.write("1/stat", stat("init", 'S', 1, 0));
  EXPECT_EQ(facts().ancestors, (std::vector<Ancestor>{{60, 400}, {1, 1}}));
}

TEST_F(MadeUpProc, HasNoEndlessLineOfAncestors) {
  put("stat", stat("a", 'R', 500, 77));
  EXPECT_EQ(facts().ancestors.size(), 64U);
}

TEST_F(MadeUpProc, IsReadInPartWhereFilesAreMissing) {
  lose("status");
  EXPECT_EQ(facts().uid, std::nullopt);
  EXPECT_EQ(facts().program, "python3");
  lose("environ");
  EXPECT_EQ(facts().reservation_id, std::nullopt);
  lose("stat");
  EXPECT_EQ(facts().start_ticks, std::nullopt);
  EXPECT_FALSE(is_running());
  lose("cmdline");
  EXPECT_EQ(facts().program, "");
}

TEST_F(MadeUpProc, HasNoReservationToTellWhereTheEnvironmentCannotBeRead) {
  lose("environ");
  std::filesystem::create_directory(folder_.path("77/environ"));
  EXPECT_EQ(facts().reservation_id, std::nullopt);
}

TEST_F(MadeUpProc, IsReadInPartWhereFilesAreGarbage) {
  for (const char* garbage : {"", "x", "77", "77 (", "77 (a", ")(", "77 (a)", "77 (a) R 1 2"}) {
    put("stat", garbage);
    EXPECT_EQ(facts().start_ticks, std::nullopt) << garbage;
  }
  put("stat", stat("a", 'R', 5).substr(0, 40));
  EXPECT_EQ(facts().start_ticks, std::nullopt);
  for (const char* garbage : {"", "Uid:", "Uid:\t", "Uid:\tx\t1", "Uid:\t-1\t1", "Uid: 5\n"}) {
    put("status", garbage);
    EXPECT_EQ(facts().uid, std::nullopt) << garbage;
  }
}

TEST_F(MadeUpProc, IsKnownByTheKernelsNameWithoutACommandLine) {
  put("stat", stat("kworker/0:1", 'I', 5));
  put("cmdline", "");
  EXPECT_EQ(facts().program, "kworker/0:1");
  EXPECT_EQ(facts().command_line, "");
}

TEST_F(MadeUpProc, HasNoReservationToTellWhileItEnds) {
  put("environ", "");
  EXPECT_EQ(facts().reservation_id, "");
  put("cmdline", "");
  EXPECT_EQ(facts().reservation_id, std::nullopt);
}

TEST_F(MadeUpProc, IsNotRunningAsAZombie) {
  for (const char state : {'Z', 'X', 'x'}) {
    put("stat", stat("a", state, 5));
    EXPECT_FALSE(is_running()) << state;
  }
  for (const char state : {'R', 'S', 'D', 'T', 't', 'I'}) {
    put("stat", stat("a", state, 5));
    EXPECT_TRUE(is_running()) << state;
  }
}

TEST_F(MadeUpProc, HasItsCommandLineCutAt4096Bytes) {
  put("cmdline", "python3" + std::string(1, '\0') + std::string(100'000, 'x'));
  EXPECT_EQ(facts().command_line.size(), 4096U);
  EXPECT_EQ(facts().program, "python3");
}

struct Title {
  const char* argument;
  const char* program;
};

class ProgramName : public MadeUpProc, public ::testing::WithParamInterface<Title> {};

TEST_P(ProgramName, IsTheLastPartOfThePath) {
  put("cmdline", std::string(GetParam().argument) + std::string(3, '\0'));
  EXPECT_EQ(facts().program, GetParam().program);
  EXPECT_EQ(facts().command_line, GetParam().argument);
}

INSTANTIATE_TEST_SUITE_P(MadeUpProc, ProgramName,
                         ::testing::Values(Title{"python3", "python3"},
                                           Title{"/usr/lib/xorg/Xorg", "Xorg"},
                                           Title{"./gpu_burn", "gpu_burn"},
                                           Title{"/opt/My App/tool", "tool"},
                                           Title{"VLLM::EngineCore", "VLLM::EngineCore"},
                                           Title{"nginx: worker /etc/x", "nginx: worker /etc/x"},
                                           Title{"/only/a/folder/", "python3"}));

}  // namespace
}  // namespace chg
