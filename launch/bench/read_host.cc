// SPDX-License-Identifier: Apache-2.0
#include "launch/bench/read_host.h"

#include <netdb.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <string_view>

#include "kernels/base/str_cat.h"
#include "launch/bench/control_group.h"
#include "launch/bench/cpu_list.h"

namespace cadmus {
namespace {

namespace fs = std::filesystem;

std::string FirstLine(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

void ReadName(HostFacts& host) {
  struct utsname names = {};
  if (::uname(&names) != 0) return;
  host.name = names.nodename;
  host.kernel = StrCat(names.sysname, " ", names.release);
  addrinfo* found = nullptr;
  host.name_resolves = ::getaddrinfo(host.name.c_str(), nullptr, nullptr, &found) == 0;
  if (found != nullptr) ::freeaddrinfo(found);
}

// "model name	: Intel …", "flags		: fpu vme …"
void ReadProcessor(const fs::path& root, HostFacts& host) {
  std::ifstream in(root / "proc/cpuinfo");
  for (std::string line; std::getline(in, line) && !line.empty();) {  // the first core's
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string value = line.substr(std::min(colon + 2, line.size()));
    if (line.starts_with("model name")) host.processor = value;
    if (line.starts_with("flags") || line.starts_with("Features")) {
      std::istringstream words(value);
      for (std::string word; words >> word;) host.instructions.push_back(word);
    }
  }
}

void ReadCores(const fs::path& root, HostFacts& host) {
  const fs::path cpus = root / "sys/devices/system/cpu";
  host.usable_cores = ParseCpuList(FirstLine(cpus / "online"));
  std::set<std::string> siblings;
  for (const int core : host.usable_cores) {
    siblings.insert(FirstLine(cpus / StrCat("cpu", core) / "topology/thread_siblings_list"));
  }
  host.num_physical_cores = static_cast<int>(siblings.size());
  const size_t nodes = ParseCpuList(FirstLine(root / "sys/devices/system/node/has_memory")).size();
  host.num_numa_nodes = std::max(1, static_cast<int>(nodes));
}

void ReadAffinity(HostFacts& host) {
  constexpr int kMostCores = 1 << 16;  // more than a cpu_set_t holds
  const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> set(CPU_ALLOC(kMostCores),
                                                             [](cpu_set_t* s) { CPU_FREE(s); });
  const size_t bytes = CPU_ALLOC_SIZE(kMostCores);
  CPU_ZERO_S(bytes, set.get());
  if (::sched_getaffinity(0, bytes, set.get()) != 0) return;
  for (int core = 0; core < kMostCores; ++core) {
    if (CPU_ISSET_S(static_cast<size_t>(core), bytes, set.get())) {
      host.allowed_cores.push_back(core);
    }
  }
}

void ReadMemory(const fs::path& root, HostFacts& host) {
  std::ifstream in(root / "proc/meminfo");
  for (std::string line; std::getline(in, line);) {  // "MemTotal:       24684096 kB"
    std::istringstream words(line);
    std::string name;
    int64_t kib = 0;
    if (!(words >> name >> kib)) continue;
    if (name == "MemTotal:") host.memory_bytes = kib * 1024;
    if (name == "MemAvailable:") host.available_memory_bytes = kib * 1024;
  }
  struct statvfs shared = {};
  if (::statvfs((root / "dev/shm").c_str(), &shared) == 0) {
    const auto block = static_cast<int64_t>(shared.f_frsize);
    host.shared_memory_bytes = static_cast<int64_t>(shared.f_blocks) * block;
    host.free_shared_memory_bytes = static_cast<int64_t>(shared.f_bavail) * block;
  }
  // "always [madvise] never"
  const std::string choices = FirstLine(root / "sys/kernel/mm/transparent_hugepage/enabled");
  const size_t open = choices.find('['), close = choices.find(']');
  if (open < close && close != std::string::npos) {
    host.huge_pages = choices.substr(open + 1, close - open - 1);
  }
}

int64_t SoftLimit(__rlimit_resource resource) {
  struct rlimit limit = {};
  if (::getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kUnlimited;
  return static_cast<int64_t>(std::min<rlim_t>(limit.rlim_cur, kUnlimited));
}

void ReadLimits(const fs::path& root, HostFacts& host) {
  host.locked_memory_limit = SoftLimit(RLIMIT_MEMLOCK);
  host.open_files_limit = SoftLimit(RLIMIT_NOFILE);
  host.stack_limit = SoftLimit(RLIMIT_STACK);
  host.processes_limit = SoftLimit(RLIMIT_NPROC);
  const ControlGroupLimits group = ReadControlGroupLimits(root);
  host.cpu_quota = group.cores;
  host.memory_limit_bytes = group.memory_bytes;
  host.processes_limit = std::min(host.processes_limit, group.processes);
  if (!group.core_numbers.empty()) host.usable_cores = group.core_numbers;
}

bool IsNumbered(std::string_view name, std::string_view prefix) {
  return name.size() > prefix.size() && name.starts_with(prefix) &&
         std::ranges::all_of(name.substr(prefix.size()),
                             [](unsigned char c) { return std::isdigit(c) != 0; });
}

void ReadDevices(const fs::path& root, HostFacts& host) {
  std::error_code none;  // a folder that is not there has no entries
  host.has_infiniband =
      fs::directory_iterator(root / "sys/class/infiniband", none) != fs::directory_iterator();
  for (const auto& entry : fs::directory_iterator(root / "dev", none)) {
    host.num_nvidia_devices += IsNumbered(entry.path().filename().string(), "nvidia") ? 1 : 0;
  }
}

}  // namespace

HostFacts ReadHost(const fs::path& root) {
  HostFacts host;
  ReadName(host);
  ReadProcessor(root, host);
  ReadCores(root, host);
  ReadAffinity(host);
  ReadMemory(root, host);
  ReadLimits(root, host);
  ReadDevices(root, host);
  return host;
}

}  // namespace cadmus
