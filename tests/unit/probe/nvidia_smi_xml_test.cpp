#include "probe/nvidia/nvidia_smi_xml.h"

#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "unit/probe/fixture.h"

namespace chg {
namespace {

using Type = GpuProcess::Type;

constexpr const char* kUuid = "GPU-5f3a0c1e-0000-4b00-8000-00000000000";

std::string document(const std::string& gpus) {
  return "<?xml version=\"1.0\" ?>\n"
         "<!DOCTYPE nvidia_smi_log SYSTEM \"nvsmi_device_v12.dtd\">\n"
         "<nvidia_smi_log>" +
         gpus + "</nvidia_smi_log>\n";
}

std::string element(const std::string& name, const std::string& content) {
  return "<" + name + ">" + content + "</" + name + ">";
}

std::string gpu_with(const std::string& memory, const std::string& rest) {
  return "<gpu id=\"00000000:1A:00.0\">" + element("uuid", std::string(kUuid) + "0") +
         element("fb_memory_usage", element("used", memory) + element("total", memory)) + rest +
         "</gpu>";
}

std::string process_with(const std::string& fields) {
  return element("processes", element("process_info", fields));
}

GpuReading only_gpu(const std::string& text) {
  const std::vector<GpuReading> gpus = parse_gpus_xml(text);
  EXPECT_EQ(gpus.size(), 1U);
  return gpus.empty() ? GpuReading() : gpus[0];
}

std::string failure(const std::string& text) {
  try {
    return fmt::format("{} GPUs", parse_gpus_xml(text).size());
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(ParseGpusXml, ReadsADividedGpu) {
  const std::vector<GpuReading> gpus = parse_gpus_xml(fixture("query_mig.xml"));
  ASSERT_EQ(gpus.size(), 2U);
  const GpuReading& gpu = gpus[0];
  EXPECT_EQ(gpu.index, 0);
  EXPECT_EQ(gpu.uuid, std::string(kUuid) + "0");
  EXPECT_EQ(gpu.model, "NVIDIA Example 80GB");
  EXPECT_EQ(gpu.pci_bus_id, "0000:1a:00.0");
  EXPECT_EQ(gpu.memory_used_mib, 11125U);
  EXPECT_EQ(gpu.memory_total_mib, 81559U);
  EXPECT_EQ(gpu.utilization_percent, std::nullopt);
  EXPECT_EQ(gpu.temperature_c, 53);
  EXPECT_EQ(gpu.power_w, 434);
  EXPECT_EQ(gpu.error, "");
  ASSERT_EQ(gpu.mig_devices.size(), 2U);
  EXPECT_EQ(gpu.mig_devices[0].uuid, fmt::format("MIG-{}0/2/0", kUuid));
  EXPECT_EQ(gpu.mig_devices[0].model, "NVIDIA Example 80GB MIG 60 SMs");
  EXPECT_EQ(gpu.mig_devices[0].memory_used_mib, 11091U);
  EXPECT_EQ(gpu.mig_devices[0].memory_total_mib, 40448U);
  EXPECT_EQ(gpu.mig_devices[1].uuid, fmt::format("MIG-{}0/9/1", kUuid));
  EXPECT_EQ(gpu.mig_devices[1].model, "NVIDIA Example 80GB MIG");
  EXPECT_EQ(gpu.mig_devices[1].memory_used_mib, std::nullopt);
  EXPECT_EQ(gpu.mig_devices[1].memory_total_mib, 9984U);
}

TEST(ParseGpusXml, ListsAProcessOfSeveralPartsOnceWithTheMemoryOfAll) {
  const std::vector<GpuReading> gpus = parse_gpus_xml(fixture("query_mig.xml"));
  ASSERT_EQ(gpus.at(0).processes.size(), 2U);
  EXPECT_EQ(gpus[0].processes[0].pid, 2'000'000'001);
  EXPECT_EQ(gpus[0].processes[0].program, "python3");
  EXPECT_EQ(gpus[0].processes[0].memory_mib, 7500U);
  EXPECT_EQ(gpus[0].processes[1].pid, 2'000'000'002);
  EXPECT_EQ(gpus[0].processes[1].program, "train");
  EXPECT_EQ(gpus[0].processes[1].memory_mib, std::nullopt);
}

TEST(ParseGpusXml, ReadsAGpuThatIsNotDividedAndIdle) {
  const GpuReading gpu = parse_gpus_xml(fixture("query_mig.xml")).at(1);
  EXPECT_EQ(gpu.index, 1);
  EXPECT_EQ(gpu.pci_bus_id, "0000:3b:00.0");
  EXPECT_EQ(gpu.memory_used_mib, 0U);
  EXPECT_EQ(gpu.utilization_percent, 0);
  EXPECT_EQ(gpu.temperature_c, std::nullopt);
  EXPECT_EQ(gpu.power_w, std::nullopt);
  EXPECT_TRUE(gpu.mig_devices.empty());
  EXPECT_TRUE(gpu.processes.empty());
  EXPECT_EQ(gpu.error, "");
}

TEST(ParseGpusXml, TakesOnlyPureGraphicsForGraphics) {
  const GpuReading gpu = only_gpu(fixture("query_desktop.xml"));
  ASSERT_EQ(gpu.processes.size(), 5U);
  EXPECT_EQ(gpu.processes[0].program, "compositor");
  EXPECT_EQ(gpu.processes[0].memory_mib, 410U);
  EXPECT_EQ(gpu.processes[0].type, Type::Graphics);
  for (std::size_t i = 1; i < 5; ++i) EXPECT_EQ(gpu.processes[i].type, Type::Compute) << i;
  EXPECT_EQ(gpu.processes[2].program, "R&D");
  EXPECT_EQ(gpu.processes[3].program, "");
  EXPECT_EQ(gpu.processes[3].memory_mib, std::nullopt);
  EXPECT_EQ(gpu.error, "");
}

TEST(ParseGpusXml, ReadsWhatNewDriversCallOtherwise) {
  const GpuReading gpu = only_gpu(fixture("query_desktop.xml"));
  EXPECT_EQ(gpu.pci_bus_id, "000a:c1:00.0");
  EXPECT_EQ(gpu.memory_used_mib, 3534U);
  EXPECT_EQ(gpu.utilization_percent, 37);
  EXPECT_EQ(gpu.power_w, 9);
}

class OddXmlValue : public ::testing::TestWithParam<const char*> {};

TEST_P(OddXmlValue, IsMissingAndNeverZero) {
  const std::string value = GetParam();
  const GpuReading gpu = only_gpu(document(gpu_with(
      value, element("utilization", element("gpu_util", value)) +
                 element("temperature", element("gpu_temp", value)) +
                 element("gpu_power_readings", element("power_draw", value)) +
                 process_with(element("pid", "7") + element("used_memory", value)) +
                 element("mig_devices", element("mig_device", element("fb_memory_usage",
                                                                      element("used", value)))))));
  EXPECT_EQ(gpu.memory_used_mib, std::nullopt);
  EXPECT_EQ(gpu.memory_total_mib, std::nullopt);
  EXPECT_EQ(gpu.utilization_percent, std::nullopt);
  EXPECT_EQ(gpu.temperature_c, std::nullopt);
  EXPECT_EQ(gpu.power_w, std::nullopt);
  ASSERT_EQ(gpu.processes.size(), 1U);
  EXPECT_EQ(gpu.processes[0].memory_mib, std::nullopt);
  ASSERT_EQ(gpu.mig_devices.size(), 1U);
  EXPECT_EQ(gpu.mig_devices[0].memory_used_mib, std::nullopt);
  EXPECT_EQ(gpu.error, "");
}

INSTANTIATE_TEST_SUITE_P(ParseGpusXml, OddXmlValue,
                         ::testing::Values("", "N/A", "[N/A]", "Not Supported", "[Not Supported]",
                                           "Insufficient Permissions", "[Something New]",
                                           "Requested functionality has been deprecated",
                                           "Unknown Error", "Function Not Found", "None", "-", "-5",
                                           "-5 MiB", "nan", "inf", "1e3", "0x10", "12 GiB", "12 F",
                                           "99999999999999999999999", "5<x/>", "<x/>5",
                                           "<x>5</x>"));

struct BrokenXml {
  const char* value;
  const char* error;
};

class BrokenXmlValue : public ::testing::TestWithParam<BrokenXml> {};

TEST_P(BrokenXmlValue, IsAnErrorOfTheGpu) {
  const std::string list = element("processes", "");
  EXPECT_EQ(only_gpu(document(gpu_with(GetParam().value, list))).error, GetParam().error);
  EXPECT_EQ(only_gpu(document(gpu_with("5 MiB", element("processes", GetParam().value)))).error,
            GetParam().error);
  EXPECT_EQ(only_gpu(document(gpu_with("5 MiB", list))).error, "");
}

INSTANTIATE_TEST_SUITE_P(ParseGpusXml, BrokenXmlValue,
                         ::testing::Values(BrokenXml{"ERR!", "nvidia-smi reports ERR!"},
                                           BrokenXml{"GPU is lost", "GPU is lost"},
                                           BrokenXml{"[GPU is lost]", "GPU is lost"},
                                           BrokenXml{"GPU requires reset", "GPU requires reset"}));

TEST(ParseGpusXml, TakesNoErrorFromValuesThatSayNothingOfTheWholeGpu) {
  const std::string fan = element("fan_speed", "ERR!") + element("processes", "");
  EXPECT_EQ(only_gpu(document(gpu_with("5 MiB", fan))).error, "");
}

TEST(ParseGpusXml, MakesAnErrorOfAGpuWhoseProcessesAreNotTold) {
  for (const std::string& list :
       {std::string(), element("processes", "N/A"),
        element("processes", "Insufficient Permissions"), process_with(element("pid", "N/A")),
        process_with(element("used_memory", "5 MiB")), process_with(element("pid", "0")),
        process_with(element("pid", "4294967295")), process_with("")}) {
    const GpuReading gpu = only_gpu(document(gpu_with("5 MiB", list)));
    EXPECT_EQ(gpu.error, "nvidia-smi does not tell its processes") << list;
    EXPECT_TRUE(gpu.processes.empty());
    EXPECT_NE(only_gpu(document(gpu_with("N/A", list))).error, "") << list;
  }
  for (const std::string& list : {element("processes", "\n\t"), element("processes", "None"),
                                  std::string("<processes/>"), process_with(element("pid", "1"))}) {
    EXPECT_EQ(only_gpu(document(gpu_with("5 MiB", list))).error, "") << list;
  }
}

TEST(ParseGpusXml, NeedsNoProcessesWhereNothingHoldsMemory) {
  const std::string untold = element("processes", "N/A");
  const auto part = [](const std::string& used) {
    return element("mig_devices",
                   element("mig_device", element("fb_memory_usage", element("used", used))));
  };
  EXPECT_EQ(only_gpu(document(gpu_with("0 MiB", untold))).error, "");
  EXPECT_EQ(only_gpu(document(gpu_with("0 MiB", untold + part("0 MiB")))).error, "");
  EXPECT_NE(only_gpu(document(gpu_with("0 MiB", untold + part("1 MiB")))).error, "");
  EXPECT_NE(only_gpu(document(gpu_with("0 MiB", untold + part("N/A")))).error, "");
}

TEST(ParseGpusXml, TakesTheUuidOfAPartWhereThereIsOne) {
  const auto uuid = [](const std::string& fields) {
    const GpuReading gpu = only_gpu(
        document(gpu_with("0 MiB", element("mig_devices", element("mig_device", fields)))));
    return gpu.mig_devices.empty() ? "no part" : gpu.mig_devices[0].uuid;
  };
  const std::string place = element("gpu_instance_id", "3") + element("compute_instance_id", "0");
  EXPECT_EQ(uuid(place + element("uuid", "MIG-5")), "MIG-5");
  EXPECT_EQ(uuid(place + element("uuid", "N/A")), fmt::format("MIG-{}0/3/0", kUuid));
  EXPECT_EQ(uuid(element("gpu_instance_id", "3")), "");
}

TEST(ParseGpusXml, PassesOverWhatIsPrintedAroundTheDocument) {
  const std::string text = "WARNING: something <odd>\n" + document(gpu_with("5 MiB", "")) +
                           "WARNING: infoROM is corrupted at gpu 0000:1A:00.0\n";
  EXPECT_EQ(only_gpu(text).memory_used_mib, 5U);
}

TEST(ParseGpusXml, AcceptsBytesThatAreNoText) {
  const std::string name("a\xff\x01\0b", 5);
  const std::string text = document(
      gpu_with("5 MiB", process_with(element("pid", "7") + element("process_name", name))));
  ASSERT_EQ(only_gpu(text).processes.size(), 1U);
  EXPECT_EQ(only_gpu(text).processes[0].program, "a???b");
}

TEST(ParseGpusXml, IsNotMisledByAnEncodingThatItDoesNotHave) {
  EXPECT_EQ(failure("<?xml version=\"1.0\" encoding=\"UTF-16\"?><nvidia_smi_log>" +
                    gpu_with("5 MiB", "") + "</nvidia_smi_log>"),
            "1 GPUs");
}

TEST(ParseGpusXml, GivesNothingForADocumentWithoutGpus) {
  EXPECT_EQ(failure(document("")), "0 GPUs");
  EXPECT_EQ(failure(document("<x>" + gpu_with("5 MiB", "") + "</x>")), "0 GPUs");
}

TEST(ParseGpusXml, FailsWhereThereIsNoCompleteDocument) {
  const std::string whole = document(gpu_with("5 MiB", process_with(element("pid", "1"))));
  ASSERT_EQ(failure(whole), "1 GPUs");
  for (const std::string& text :
       {std::string(), std::string("No devices were found\n"), std::string("</nvidia_smi_log>"),
        std::string("</nvidia_smi_log><nvidia_smi_log>"), fixture("gpus_asked.csv"),
        whole.substr(0, whole.size() / 2), document("<gpu><uuid>1</gpu>"), document("<gpu>"),
        document("a < b"), document("<\0>")}) {
    EXPECT_TRUE(failure(text).starts_with("cannot read the XML of nvidia-smi: ")) << text;
  }
  EXPECT_EQ(failure(whole.substr(0, whole.size() - 5)),
            "cannot read the XML of nvidia-smi: it is not complete");
}

TEST(ParseGpusXml, GivesNoHalfGpuWhereverADocumentBreaksOff) {
  const std::string whole = fixture("query_mig.xml");
  const std::size_t first_end = whole.find("</gpu>") + 6;
  const std::size_t second_end = whole.rfind("</gpu>") + 6;
  for (std::size_t size = 0; size < second_end; size += 7) {
    // With an end, so that the parser is asked.
    const std::string answer = failure(whole.substr(0, size) + "</nvidia_smi_log>");
    const bool is_refused = answer.starts_with("cannot read the XML");
    EXPECT_TRUE(is_refused || answer == (size < first_end ? "0 GPUs" : "1 GPUs")) << size;
  }
}

TEST(ParseGpusXml, RefusesEntities) {
  const auto with = [](const std::string& declarations, const std::string& value) {
    return "<?xml version=\"1.0\"?><!DOCTYPE nvidia_smi_log [" + declarations +
           "]><nvidia_smi_log>" + gpu_with(value, "") + "</nvidia_smi_log>";
  };
  const std::string refused = "cannot read the XML of nvidia-smi: it declares entities";
  EXPECT_EQ(failure(with("<!ENTITY a \"5\">", "&a; MiB")), refused);
  EXPECT_EQ(failure(with("<!ENTITY a SYSTEM \"file:///etc/passwd\">", "&a;")), refused);
  EXPECT_EQ(failure(with("<!ENTITY % a \"5\">", "5 MiB")), refused);
  std::string bomb = "<!ENTITY a0 \"ha\">";
  for (int i = 1; i < 30; ++i) {
    bomb += fmt::format("<!ENTITY a{} \"&a{};&a{};\">", i, i - 1, i - 1);
  }
  EXPECT_EQ(failure(with(bomb, "&a29;")), refused);
  EXPECT_EQ(failure(with("", "5 MiB")), "1 GPUs");
  // Not declared: left out, it would make 15 of "1&x;5".
  EXPECT_EQ(failure(document(gpu_with("1&x;5 MiB", ""))),
            "cannot read the XML of nvidia-smi: it has unknown entities");
}

TEST(ParseGpusXml, RefusesWhatIsTooDeepLargeOrLong) {
  const auto nested = [](int depth) {
    std::string text;
    for (int i = 0; i < depth; ++i) text += "<d>";
    for (int i = 0; i < depth; ++i) text += "</d>";
    return document(text);
  };
  const auto repeated = [](const std::string& text, int count) {
    std::string all;
    for (int i = 0; i < count; ++i) all += text;
    return all;
  };
  const std::string begin = "cannot read the XML of nvidia-smi: ";
  EXPECT_EQ(failure(nested(31)), "0 GPUs");
  EXPECT_EQ(failure(nested(32)), begin + "it is too deep");
  EXPECT_EQ(failure(nested(500'000)), begin + "it is too deep");
  EXPECT_EQ(failure(document(std::string(17U << 20, ' '))), begin + "it is too large");
  EXPECT_EQ(failure(document("<" + std::string(1U << 20, 'x') + "/>")),
            begin + "it has too long a name");
  EXPECT_EQ(failure(document(repeated("<gpu/>", 1024))), "1024 GPUs");
  EXPECT_EQ(failure(document(repeated("<gpu/>", 1025))), begin + "it has too many GPUs");
  const std::string parts = element("mig_devices", repeated("<mig_device/>", 65));
  EXPECT_EQ(failure(document(gpu_with("1 MiB", parts))), begin + "a list in it is too long");
}

TEST(ParseGpusXml, LeavesOutATextOfUnreasonableLength) {
  const std::string blanks(5000, ' ');
  const GpuReading gpu = only_gpu(document(gpu_with("12" + blanks + "345 MiB", "")));
  EXPECT_EQ(gpu.memory_used_mib, std::nullopt);
  EXPECT_EQ(gpu.uuid, std::string(kUuid) + "0");
}

}  // namespace
}  // namespace chg
