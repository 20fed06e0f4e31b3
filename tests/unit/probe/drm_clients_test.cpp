#include "probe/amd/drm_clients.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "unit/probe/amd_tree.h"

namespace chg {
namespace {

std::string fdinfo(const std::string& bus_id, const std::string& client_id,
                   const std::string& vram) {
  return "pos:\t0\nflags:\t02100002\nmnt_id:\t25\ndrm-driver:\tamdgpu\ndrm-pdev:\t" + bus_id +
         "\ndrm-client-id:\t" + client_id + "\ndrm-memory-vram:\t" + vram +
         "\ndrm-memory-gtt: \t2048 KiB\ndrm-engine-gfx:\t123456 ns\n";
}

std::string shown(const std::optional<DrmClient>& client) {
  if (!client) return "none";
  return fmt::format("{} {} {}", client->pci_bus_id, client->client_id,
                     client->vram_bytes ? std::to_string(*client->vram_bytes) : "?");
}

std::string parsed(const std::string& text) { return shown(parse_drm_fdinfo(text)); }

TEST(DrmFdinfo, TellsWhatAClientHolds) {
  EXPECT_EQ(parsed(fdinfo("0000:03:00.0", "42", "1024 KiB")), "0000:03:00.0 42 1048576");
  EXPECT_EQ(parsed(fdinfo("0000:03:00.0", "42", "2 MiB")), "0000:03:00.0 42 2097152");
  EXPECT_EQ(parsed(fdinfo("0000:03:00.0", "42", "5")), "0000:03:00.0 42 5");
}

TEST(DrmFdinfo, TellsItUnderTheNewerName) {
  EXPECT_EQ(parsed("drm-pdev:\t0000:03:00.0\ndrm-client-id: 7\ndrm-resident-vram: 1 KiB\n"),
            "0000:03:00.0 7 1024");
}

TEST(DrmFdinfo, HasNoMemoryWhereThatIsNoAmount) {
  for (const char* amount : {"", "x", "-1 KiB", "5 GB", "99999999999999999999 KiB", "1 KiB KiB",
                             "18446744073709551615 KiB"}) {
    EXPECT_EQ(parsed(fdinfo("0000:03:00.0", "42", amount)), "0000:03:00.0 42 ?") << amount;
  }
}

TEST(DrmFdinfo, IsMissingForOtherFiles) {
  EXPECT_EQ(parsed(""), "none");
  EXPECT_EQ(parsed("pos:\t0\nflags:\t02\n"), "none");
  EXPECT_EQ(parsed(fdinfo("", "42", "1 KiB")), "none");
  EXPECT_EQ(parsed(fdinfo("0000:03:00.0", "", "1 KiB")), "none");
  EXPECT_EQ(parsed("drm-pdev\ndrm-client-id\n:\n::\n"), "none");
}

class DrmClients : public ::testing::Test {
 protected:
  void open(int pid, int fd, const std::string& target, const std::string& text) {
    const auto link =
        std::filesystem::path(tree_.folder().path(fmt::format("proc/{}/fd/{}", pid, fd)));
    std::filesystem::create_directories(link.parent_path());
    std::filesystem::create_symlink(target, link);
    tree_.folder().write(fmt::format("proc/{}/fdinfo/{}", pid, fd), text);
  }

  std::string clients() {
    std::string text;
    for (const DrmClient& client : read_drm_clients(tree_.root())) {
      text += fmt::format("[{}: {}]", client.pid, shown(client));
    }
    return text;
  }

  AmdTree tree_;
};

TEST_F(DrmClients, AreThoseThatHaveAGpuOpen) {
  open(1200, 5, "/dev/dri/card0", fdinfo("0000:03:00.0", "1", "10 KiB"));
  open(77, 3, "/dev/dri/renderD128", fdinfo("0000:03:00.0", "2", "20 KiB"));
  open(77, 4, "/dev/null", fdinfo("0000:03:00.0", "3", "30 KiB"));
  open(77, 5, "/dev/dri/renderD128", "pos:\t0\n");
  EXPECT_EQ(clients(), "[77: 0000:03:00.0 2 20480][1200: 0000:03:00.0 1 10240]");
}

TEST_F(DrmClients, CountOnceHoweverOftenTheyAreOpen) {
  open(1200, 5, "/dev/dri/renderD128", fdinfo("0000:03:00.0", "1", "10 KiB"));
  open(77, 3, "/dev/dri/renderD128", fdinfo("0000:03:00.0", "1", "10 KiB"));
  open(77, 4, "/dev/dri/renderD128", fdinfo("0000:03:00.0", "1", "10 KiB"));
  open(77, 5, "/dev/dri/renderD129", fdinfo("0000:43:00.0", "1", "10 KiB"));
  EXPECT_EQ(clients(), "[77: 0000:03:00.0 1 10240][77: 0000:43:00.0 1 10240]");
}

TEST_F(DrmClients, AreNoneWithoutProc) { EXPECT_EQ(clients(), ""); }

DrmClient client(int pid, std::uint64_t client_id, std::optional<std::uint64_t> vram_bytes) {
  DrmClient made;
  made.pid = pid;
  made.client_id = client_id;
  made.pci_bus_id = "0000:03:00.0";
  made.vram_bytes = vram_bytes;
  return made;
}

TEST(DrmProcesses, AreGraphicsWithAllThatTheirClientsHold) {
  std::vector<GpuReading> gpus(2);
  gpus[0].pci_bus_id = "0000:03:00.0";
  gpus[1].pci_bus_id = "0000:43:00.0";
  add_drm_clients(gpus, {client(77, 1, 1U << 20), client(77, 2, 2U << 20), client(78, 3, 0)});
  ASSERT_EQ(gpus[0].processes.size(), 1U);
  EXPECT_EQ(gpus[0].processes[0].pid, 77);
  EXPECT_EQ(gpus[0].processes[0].memory_mib, 3U);
  EXPECT_EQ(gpus[0].processes[0].type, GpuProcess::Type::Graphics);
  EXPECT_TRUE(gpus[1].processes.empty());
}

TEST(DrmProcesses, HoldWhatIsUnknownWhereOneClientDoes) {
  std::vector<GpuReading> gpus(1);
  gpus[0].pci_bus_id = "0000:03:00.0";
  add_drm_clients(gpus, {client(77, 1, 0), client(77, 2, std::nullopt), client(77, 3, 5)});
  ASSERT_EQ(gpus[0].processes.size(), 1U);
  EXPECT_EQ(gpus[0].processes[0].memory_mib, std::nullopt);
}

TEST(DrmProcesses, AreOnNoneOfThePartitionsThatShareAnAddress) {
  std::vector<GpuReading> gpus(2);
  for (GpuReading& gpu : gpus) gpu.pci_bus_id = "0000:03:00.0";
  add_drm_clients(gpus, {client(77, 1, 1U << 20)});
  EXPECT_TRUE(gpus[0].processes.empty());
  EXPECT_TRUE(gpus[1].processes.empty());
}

TEST(DrmProcesses, AreNotListedTwice) {
  std::vector<GpuReading> gpus(1);
  gpus[0].pci_bus_id = "0000:03:00.0";
  gpus[0].processes.resize(1);
  gpus[0].processes[0].pid = 77;
  add_drm_clients(gpus, {client(77, 1, 1U << 20)});
  ASSERT_EQ(gpus[0].processes.size(), 1U);
  EXPECT_EQ(gpus[0].processes[0].type, GpuProcess::Type::Compute);
}

}  // namespace
}  // namespace chg
