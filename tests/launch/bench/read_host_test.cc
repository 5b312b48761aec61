// SPDX-License-Identifier: Apache-2.0
// A host read from a folder that stands for "/".
#include "launch/bench/read_host.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "launch/bench/control_group.h"
#include "launch/bench/cpu_list.h"
#include "tests/support/temporary_folder.h"

namespace cadmus {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

class FakeRoot : public testing::Test {
 protected:
  void Write(const std::string& file, const std::string& text) const {
    const std::filesystem::path path = folder_ / file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  ControlGroupLimits Limits() const { return ReadControlGroupLimits(folder_.path()); }
  HostFacts Host() const { return ReadHost(folder_.path()); }

 private:
  TemporaryFolder folder_;
};

TEST(CpuList, ReadsAndWritesAsLinuxDoes) {
  EXPECT_THAT(ParseCpuList("0-2,8\n"), ElementsAre(0, 1, 2, 8));
  EXPECT_THAT(ParseCpuList("5"), ElementsAre(5));
  for (const char* wrong : {"", "\n", "-1", "a", "1-", "1-x", "0-99999999"}) {
    EXPECT_THAT(ParseCpuList(wrong), IsEmpty()) << wrong;
  }
  EXPECT_EQ(CpuListText({0, 1, 2, 8, 10, 11}), "0-2,8,10-11");
  EXPECT_EQ(CpuListText({}), "");
}

TEST_F(FakeRoot, NoControlGroupIsNoLimit) {
  EXPECT_EQ(Limits().cores, 0);
  EXPECT_EQ(Limits().memory_bytes, kUnlimited);
  EXPECT_EQ(Limits().processes, kUnlimited);
  EXPECT_THAT(Limits().core_numbers, IsEmpty());
}

TEST_F(FakeRoot, LeastLimitOfAllGroupsAroundCountsInVersion2) {
  Write("proc/self/cgroup", "0::/system.slice/job_7/step_0\n");
  Write("sys/fs/cgroup/system.slice/cpu.max", "400000 100000\n");
  Write("sys/fs/cgroup/system.slice/memory.max", "max\n");
  Write("sys/fs/cgroup/system.slice/job_7/cpu.max", "150000 100000\n");
  Write("sys/fs/cgroup/system.slice/job_7/memory.max", "1073741824\n");
  Write("sys/fs/cgroup/system.slice/job_7/pids.max", "500\n");
  Write("sys/fs/cgroup/system.slice/job_7/cpuset.cpus.effective", "0-7\n");
  Write("sys/fs/cgroup/system.slice/job_7/step_0/cpu.max", "max 100000\n");
  Write("sys/fs/cgroup/system.slice/job_7/step_0/memory.max", "2147483648\n");
  Write("sys/fs/cgroup/system.slice/job_7/step_0/cpuset.cpus.effective", "4-5\n");
  EXPECT_EQ(Limits().cores, 1.5);
  EXPECT_EQ(Limits().memory_bytes, int64_t{1} << 30);
  EXPECT_EQ(Limits().processes, 500);
  EXPECT_THAT(Limits().core_numbers, ElementsAre(4, 5));
}

TEST_F(FakeRoot, ContainerThatShowsThePathOfItsHostReadsItsOwnRoot) {
  Write("proc/self/cgroup", "4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n0::/\n");
  Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n");
  Write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n");
  Write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(Limits().memory_bytes, 512 << 20);
  EXPECT_EQ(Limits().cores, 0.5);
}

TEST_F(FakeRoot, NoLimitOfVersion1IsNone) {
  Write("proc/self/cgroup", "4:memory:/\n1:cpu:/\n");
  Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  Write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  Write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(Limits().memory_bytes, kUnlimited);
  EXPECT_EQ(Limits().cores, 0);
}

TEST_F(FakeRoot, HostIsReadFromItsFiles) {
  Write("proc/cpuinfo",
        "processor\t: 0\nmodel name\t: A Processor\nflags\t\t: fpu avx2 amx_bf16\n\n"
        "processor\t: 1\nmodel name\t: Another\nflags\t\t: none\n");
  Write("proc/meminfo", "MemTotal:       1000 kB\nMemFree: 1 kB\nMemAvailable:    500 kB\n");
  Write("sys/devices/system/cpu/online", "0-3\n");
  for (int core = 0; core < 4; ++core) {
    Write(StrCat("sys/devices/system/cpu/cpu", core, "/topology/thread_siblings_list"),
          core % 2 == 0 ? "0,2\n" : "1,3\n");
  }
  Write("sys/devices/system/node/has_memory", "0-1\n");
  Write("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
  Write("sys/class/infiniband/mlx5_0/board_id", "");
  for (const char* device : {"nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"}) {
    Write(StrCat("dev/", device), "");
  }
  const HostFacts host = Host();
  EXPECT_EQ(host.processor, "A Processor");
  EXPECT_THAT(host.instructions, ElementsAre("fpu", "avx2", "amx_bf16"));
  EXPECT_EQ(host.memory_bytes, 1000 * 1024);
  EXPECT_EQ(host.available_memory_bytes, 500 * 1024);
  EXPECT_THAT(host.usable_cores, ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(host.num_physical_cores, 2);
  EXPECT_EQ(host.num_numa_nodes, 2);
  EXPECT_EQ(host.huge_pages, "madvise");
  EXPECT_TRUE(host.has_infiniband);
  EXPECT_EQ(host.num_nvidia_devices, 2);
}

TEST_F(FakeRoot, CoresThatTheControlGroupWithholdsAreNotUsable) {
  Write("sys/devices/system/cpu/online", "0-63\n");
  Write("proc/self/cgroup", "0::/job\n");
  Write("sys/fs/cgroup/job/cpuset.cpus.effective", "8-11\n");
  EXPECT_THAT(Host().usable_cores, ElementsAre(8, 9, 10, 11));
}

TEST(ReadHost, ThisMachineHasANameCoresAndMemory) {
  const HostFacts host = ReadHost("/");
  EXPECT_NE(host.name, "");
  EXPECT_FALSE(host.allowed_cores.empty());
  for (const int core : host.allowed_cores) EXPECT_THAT(host.usable_cores, Contains(core));
  EXPECT_GT(host.memory_bytes, 0);
  EXPECT_LE(host.available_memory_bytes, host.memory_bytes);
  EXPECT_GT(host.open_files_limit, 0);
}

}  // namespace
}  // namespace cadmus
