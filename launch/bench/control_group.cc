// SPDX-License-Identifier: Apache-2.0
#include "launch/bench/control_group.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>

#include "launch/bench/cpu_list.h"

namespace cadmus {
namespace {

namespace fs = std::filesystem;

// Version 1 writes "no limit" as the largest multiple of a page.
constexpr int64_t kNoLimit = int64_t{1} << 60;

void LowerTo(int64_t& limit, const fs::path& file) {
  std::ifstream in(file);
  int64_t value = 0;
  if (in >> value && value >= 0 && value < kNoLimit) limit = std::min(limit, value);
}

// The innermost group's list stands.
void ReplaceCoreNumbers(std::vector<int>& cores, const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  if (std::vector<int> found = ParseCpuList(line); !found.empty()) cores = std::move(found);
}

void LowerCores(double& cores, double quota, double period) {
  if (quota <= 0 || period <= 0) return;
  const double limit = quota / period;
  cores = cores == 0 ? limit : std::min(cores, limit);
}

void LowerByVersion2(ControlGroupLimits& limits, const fs::path& group) {
  LowerTo(limits.memory_bytes, group / "memory.max");
  LowerTo(limits.processes, group / "pids.max");
  ReplaceCoreNumbers(limits.core_numbers, group / "cpuset.cpus.effective");
  std::ifstream in(group / "cpu.max");  // "max 100000" or "150000 100000"
  double quota = 0, period = 0;
  if (in >> quota >> period) LowerCores(limits.cores, quota, period);
}

void LowerByVersion1(ControlGroupLimits& limits, const fs::path& group) {
  LowerTo(limits.memory_bytes, group / "memory.limit_in_bytes");
  LowerTo(limits.processes, group / "pids.max");
  ReplaceCoreNumbers(limits.core_numbers, group / "cpuset.effective_cpus");
  std::ifstream quota_in(group / "cpu.cfs_quota_us"), period_in(group / "cpu.cfs_period_us");
  double quota = 0, period = 0;
  if (quota_in >> quota && period_in >> period) LowerCores(limits.cores, quota, period);
}

}  // namespace

ControlGroupLimits ReadControlGroupLimits(const fs::path& root) {
  ControlGroupLimits limits;
  const fs::path mount = root / "sys/fs/cgroup";
  std::ifstream in(root / "proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {  // "4:cpu,cpuacct:/job", version 2 "0::/job"
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const fs::path group = fs::path(line.substr(second + 1)).relative_path();
    // In a container the path may be the host's; what its own mount has at its root then holds.
    std::vector<fs::path> paths = {fs::path()};
    for (const fs::path& part : group) paths.push_back(paths.back() / part);
    for (const fs::path& path : paths) {
      if (controllers.empty()) {
        LowerByVersion2(limits, mount / path);
        continue;
      }
      std::istringstream names(controllers);
      for (std::string name; std::getline(names, name, ',');) {
        LowerByVersion1(limits, mount / name / path);
      }
    }
  }
  return limits;
}

}  // namespace cadmus
