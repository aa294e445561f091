// Limits that a container puts on this process (Linux control groups, versions 1 and 2).
#pragma once

#include <optional>
#include <string>

namespace slipway {

/// The CPU quota in CPUs (1.5: one and a half), the smallest along the process's group and its parents; nullopt: unlimited.
/// `root` stands before /proc and /sys, for tests.
std::optional<double> cgroup_cpu_quota(const std::string& root = "");

}  // namespace slipway
