// What a container is called by its runtime, from the files that the runtime keeps.
#pragma once

#include <string>

#include "core/observation.h"

namespace chg {

/// The name of the container: Docker's ("trainer"), Podman's, or that of a pod's container
/// ("pod/container"). "" where the runtime keeps none, or its files are not for the caller: most
/// are root's. Rootless runtimes are skipped: a user must not control which files we open.
/// `root` is put before each path; "" for the system's.
std::string container_name(const Container& container, const std::string& root = "");

}  // namespace chg
