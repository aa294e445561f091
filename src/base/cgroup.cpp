#include "base/cgroup.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string_view>
#include <vector>

namespace slipway {
namespace {

constexpr size_t kMaxDepth = 64;

/// quota / period of "MAX PERIOD" (version 2); nothing when the file is absent, says "max" or makes no sense.
std::optional<double> ratio(const std::string& quota, const std::string& period) {
  const double q = std::strtod(quota.c_str(), nullptr), p = std::strtod(period.c_str(), nullptr);
  if (!(q > 0) || !(p > 0)) return std::nullopt;
  return q / p;
}

std::string first_line(const std::string& path) {
  std::string line;
  std::ifstream file(path);
  std::getline(file, line);
  return line;
}

std::optional<double> quota_v2(const std::string& folder) {
  std::istringstream words(first_line(folder + "/cpu.max"));
  std::string quota, period;
  words >> quota >> period;
  return ratio(quota, period);
}

std::optional<double> quota_v1(const std::string& folder) {
  return ratio(first_line(folder + "/cpu.cfs_quota_us"), first_line(folder + "/cpu.cfs_period_us"));
}

/// The group's folder and those of its parents, below one mount. A path that the container cannot see costs nothing: the
/// container's own group is then the mount's root.
std::vector<std::string> folders(const std::string& mount, std::string group) {
  std::vector<std::string> out;
  while (!group.empty() && group != "/" && out.size() < kMaxDepth) {
    out.push_back(mount + group);
    group.resize(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
  }
  out.push_back(mount);
  return out;
}

bool names_cpu(std::string_view controllers) {
  while (!controllers.empty()) {
    const size_t comma = std::min(controllers.find(','), controllers.size());
    if (controllers.substr(0, comma) == "cpu") return true;
    controllers.remove_prefix(std::min(comma + 1, controllers.size()));
  }
  return false;
}

}  // namespace

std::optional<double> cgroup_cpu_quota(const std::string& root) {
  const std::string mount = root + "/sys/fs/cgroup";
  std::optional<double> least;
  const auto consider = [&](std::optional<double> quota) {
    if (quota && (!least || *quota < *least)) least = quota;
  };
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "ID:CONTROLLERS:PATH"
    const size_t first = line.find(':'), second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), path = line.substr(second + 1);
    if (controllers.empty()) {
      for (const std::string& folder : folders(mount, path)) consider(quota_v2(folder));
    } else if (names_cpu(controllers)) {
      const std::string alone = mount + "/cpu", together = mount + "/" + controllers;
      for (const std::string& folder : folders(alone, path)) consider(quota_v1(folder));
      for (const std::string& folder : folders(together, path)) consider(quota_v1(folder));
    }
  }
  return least;
}

}  // namespace slipway
