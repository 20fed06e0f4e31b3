#include "app/diagnosis.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "support/pool_builder.h"

namespace chg {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Health = Finding::Health;

// A host with two NVIDIA GPUs, on which nothing is wrong.
Facts sound() {
  Scene scene(2);
  scene.pool.provider = "nvidia";
  Facts facts;
  facts.kernel = "6.1 x86_64";
  facts.cgroups = "version 2";
  facts.now = scene.now();
  facts.store = "/var/lib/canhazgpu/pool.db";
  facts.free_mib = 5000;
  facts.writing_store.took = milliseconds(1);
  facts.pool = scene.pool;
  facts.inventory.nvidia_driver = "550.54";
  facts.inventory.nvidia_smi = "/usr/bin/nvidia-smi";
  facts.inventory.devices = {{"/dev/nvidia0", true}, {"/dev/nvidia1", true}};
  facts.provider = "nvidia";
  facts.looking.took = milliseconds(5);
  facts.observation = scene.observation({reading(0), reading(1)});
  return facts;
}

// What is found of the subject, worst first.
std::vector<Finding> of(const Facts& facts, const std::string& subject) {
  std::vector<Finding> found = diagnose(facts);
  std::erase_if(found, [&](const Finding& finding) { return finding.subject != subject; });
  std::sort(found.begin(), found.end(),
            [](const Finding& a, const Finding& b) { return a.health > b.health; });
  return found;
}

Health health_of(const Facts& facts, const std::string& subject) {
  const auto found = of(facts, subject);
  return found.empty() ? Health::Good : found.front().health;
}

TEST(Diagnose, FindsNothingWrongWithASoundHost) {
  for (const Finding& finding : diagnose(sound())) {
    EXPECT_EQ(finding.health, Health::Good) << finding.subject << ": " << finding.text;
    EXPECT_EQ(finding.advice, "") << finding.subject;
  }
}

TEST(Diagnose, AdvisesWhereverSomethingIsBad) {
  Facts facts;
  facts.store_is_private = true;
  facts.free_mib = 1;
  facts.file_system = "NFS";
  for (const char* provider : {"", "nvidia", "amd"}) {
    facts.provider = provider;
    facts.inventory.nvml_failure = "no such file";
    for (const Finding& finding : diagnose(facts)) {
      if (finding.health == Health::Bad) {
        EXPECT_NE(finding.advice, "") << finding.text;
      }
    }
  }
}

TEST(Diagnose, ComparesTheGpusOfThisHostWithNoPoolOfAnother) {
  Facts facts = sound();
  facts.observation.gpus.clear();
  EXPECT_EQ(health_of(facts, "GPUs"), Health::Bad);
  facts.owning_pool.failure = "the pool is of host 'x', and this is host 'y'";
  EXPECT_TRUE(of(facts, "GPUs").empty());
}

struct Trouble {
  const char* subject;
  Health health;
  void (*cause)(Facts&);
};

class DiagnoseTrouble : public ::testing::TestWithParam<Trouble> {};

TEST_P(DiagnoseTrouble, IsFoundWhereItIs) {
  Facts facts = sound();
  EXPECT_EQ(health_of(facts, GetParam().subject), Health::Good);
  GetParam().cause(facts);
  EXPECT_EQ(health_of(facts, GetParam().subject), GetParam().health);
}

INSTANTIATE_TEST_SUITE_P(
    All, DiagnoseTrouble,
    ::testing::Values(
        Trouble{"container", Health::Notice,
                [](Facts& f) {
                  f.container = Container{"docker", "c0ffee", ""};
                }},
        Trouble{"processes", Health::Notice, [](Facts& f) { f.in_first_pid_namespace = false; }},
        Trouble{"processes", Health::Notice, [](Facts& f) { f.hides_processes = true; }},
        Trouble{"clock", Health::Bad,
                [](Facts& f) {
                  f.pool.gpus[1].last_released = f.now;
                  f.now.wall -= seconds(1);
                }},
        Trouble{"store", Health::Bad, [](Facts& f) { f.reading_store.failure = "is damaged"; }},
        Trouble{"store", Health::Bad, [](Facts& f) { f.writing_store.failure = "is locked"; }},
        Trouble{"store", Health::Notice, [](Facts& f) { f.writing_store.took = seconds(1); }},
        Trouble{"sharing", Health::Notice, [](Facts& f) { f.store_is_private = true; }},
        Trouble{"disk", Health::Bad, [](Facts& f) { f.file_system = "NFS"; }},
        Trouble{"disk", Health::Bad, [](Facts& f) { f.free_mib = 3; }},
        Trouble{"pool", Health::Bad, [](Facts& f) { f.pool.gpus.clear(); }},
        Trouble{"pool", Health::Bad, [](Facts& f) { f.owning_pool.failure = "is another's"; }},
        Trouble{"driver", Health::Bad, [](Facts& f) { f.inventory.nvidia_driver.reset(); }},
        Trouble{"driver", Health::Bad, [](Facts& f) { f.provider = "amd"; }},
        Trouble{"driver", Health::Bad, [](Facts& f) { f.provider = ""; }},
        Trouble{"NVML", Health::Notice, [](Facts& f) { f.inventory.nvml_failure = "none"; }},
        Trouble{"nvidia-smi", Health::Notice, [](Facts& f) { f.inventory.nvidia_smi.reset(); }},
        Trouble{"nvidia-smi", Health::Bad,
                [](Facts& f) {
                  f.inventory.nvidia_smi.reset();
                  f.inventory.nvml_failure = "none";
                }},
        Trouble{"devices", Health::Bad, [](Facts& f) { f.inventory.devices.clear(); }},
        Trouble{"devices", Health::Bad, [](Facts& f) { f.inventory.devices[1].is_usable = false; }},
        Trouble{"reading", Health::Bad, [](Facts& f) { f.looking.failure = "hangs"; }},
        Trouble{"reading", Health::Notice, [](Facts& f) { f.looking.took = seconds(2); }},
        Trouble{"reading", Health::Bad,
                [](Facts& f) { f.observation.gpus[1].error = "GPU is lost"; }},
        Trouble{"GPUs", Health::Bad, [](Facts& f) { f.observation.gpus.pop_back(); }},
        Trouble{"GPUs", Health::Notice, [](Facts& f) { f.observation.gpus.push_back(reading(2)); }},
        Trouble{"environment", Health::Notice, [](Facts& f) { f.visible_devices = "0"; }}));

TEST(Diagnose, GivesTheAdviceThatBelongsToWhatTheDriverAsksFor) {
  Facts facts = sound();
  GpuReading& gpu = facts.observation.gpus[1];
  gpu.notice = "its driver asks for a reboot";
  gpu.advice = "sudo reboot";
  EXPECT_EQ(of(facts, "reading").front().advice, "sudo reboot");
  gpu.needs_reset = true;
  EXPECT_EQ(of(facts, "reading").front().health, Health::Bad);
  EXPECT_EQ(of(facts, "reading").front().advice, "it is not given to anybody before; sudo reboot");
  gpu.error = "GPU is lost";
  EXPECT_EQ(of(facts, "reading").front().advice,
            "it is not given to anybody; reset or replace it, or take it out of service: canhazgpu "
            "admin --drain 1");
}

TEST(Diagnose, LooksForNoDevicesOfSimulatedGpus) {
  Facts facts = sound();
  facts.provider = facts.pool.provider = "fake";
  facts.inventory = {};
  for (const Finding& finding : diagnose(facts)) EXPECT_EQ(finding.health, Health::Good);
}

TEST(Diagnose, RepeatsTheHintOfWhatFailed) {
  Facts facts = sound();
  facts.looking = {"the driver hangs", "reboot the host", seconds(10)};
  EXPECT_EQ(of(facts, "reading").at(0).text, "the driver hangs");
  EXPECT_EQ(of(facts, "reading").at(0).advice, "reboot the host");
}

TEST(Diagnosis, SaysWhereNobodyCanJudge) {
  Facts facts = sound();
  EXPECT_TRUE(of(facts, "judgement").empty());
  facts.blind_spot = "this process is in a time namespace of its own";
  ASSERT_EQ(of(facts, "judgement").size(), 1U);
  EXPECT_TRUE(of(facts, "judgement").front().text.starts_with(facts.blind_spot));
}

TEST(Diagnosis, TellsGpusThatMayBeHiddenFromThoseThatAreLost) {
  Facts facts = sound();
  facts.observation.gpus.pop_back();
  EXPECT_EQ(health_of(facts, "GPUs"), Health::Bad);
  facts.observation.is_partial = true;
  ASSERT_EQ(health_of(facts, "GPUs"), Health::Notice);
  EXPECT_EQ(of(facts, "GPUs").front().text, "cannot be seen from here: 1");
}

}  // namespace
}  // namespace chg
