#include "probe/processes/container_name.h"

#include <gtest/gtest.h>

#include "support/temporary_folder.h"

namespace chg {
namespace {

class ContainerName : public ::testing::Test {
 protected:
  std::string name(const std::string& runtime) {
    return container_name({runtime, "c0ffee", ""}, folder_.path());
  }

  TemporaryFolder folder_;
};

TEST_F(ContainerName, OfDockerIsInItsConfiguration) {
  EXPECT_EQ(name("docker"), "");
  folder_.write("var/lib/docker/containers/c0ffee/config.v2.json",
                R"({"ID": "c0ffee", "Name": "/trainer", "Image": "x"})");
  EXPECT_EQ(name("docker"), "trainer");
  EXPECT_EQ(name("podman"), "");
}

TEST_F(ContainerName, OfPodmanIsInTheListOfContainers) {
  folder_.write("var/lib/containers/storage/overlay-containers/containers.json",
                R"([{"id": "beef", "names": ["other"]}, {"id": "c0ffee", "names": ["trainer"]}])");
  EXPECT_EQ(name("podman"), "trainer");
}

TEST_F(ContainerName, OfAPodNamesThePodToo) {
  folder_.write("run/containerd/io.containerd.runtime.v2.task/k8s.io/c0ffee/config.json",
                R"({"annotations": {"io.kubernetes.cri.container-name": "main",
                                    "io.kubernetes.cri.sandbox-name": "train-0"}})");
  EXPECT_EQ(name("containerd"), "train-0/main");
}

TEST_F(ContainerName, IsTheOneThatIsKnownAlready) {
  EXPECT_EQ(container_name({"lxc", "lab", "lab"}, folder_.path()), "lab");
}

TEST_F(ContainerName, IsUnknownWhereTheFileIsNonsense) {
  for (const char* text : {"", "{", "[]", "7", R"({"Name": 7})", R"({"Name": null})", "\xff\xfe"}) {
    folder_.write("var/lib/docker/containers/c0ffee/config.v2.json", text);
    EXPECT_EQ(name("docker"), "") << text;
  }
  for (const char* text :
       {"{}", "[7]", R"([{"id": "c0ffee"}])", R"([{"id": "c0ffee", "names": []}])",
        R"([{"id": "c0ffee", "names": [7]}])"}) {
    folder_.write("var/lib/containers/storage/overlay-containers/containers.json", text);
    EXPECT_EQ(name("podman"), "") << text;
  }
  for (const char* text : {"[]", R"({"annotations": 7})", R"({"annotations": {}})"}) {
    folder_.write("run/containerd/io.containerd.runtime.v2.task/k8s.io/c0ffee/config.json", text);
    EXPECT_EQ(name("containerd"), "") << text;
  }
}

}  // namespace
}  // namespace chg
