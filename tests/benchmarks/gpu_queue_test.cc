// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "kernels/base/error.h"
#include "kernels/ops/gpu_kernels.h"

namespace cadmus {
namespace {

const std::filesystem::path kRoot = CADMUS_SOURCE_DIR;

std::string ReadText(const std::filesystem::path& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

// "state hash" by the name of the kernel, from rows "| kernel | state | hash | … |".
std::map<std::string, std::string> QueueRows() {
  std::map<std::string, std::string> rows;
  std::ifstream file(kRoot / "benchmarks/gpu_queue.md");
  bool in_table = false;
  for (std::string line; std::getline(file, line);) {
    in_table = line.starts_with('|') && (in_table || line.starts_with("| kernel | state |"));
    if (!in_table) continue;
    std::vector<std::string> cells;
    for (size_t at = 2; at < line.size() && cells.size() < 3;) {
      const size_t end = line.find(" |", at);
      cells.push_back(line.substr(at, end - at));
      at = end + 3;
    }
    rows[cells.at(0)] = StrCat(cells.at(1), " ", cells.at(2));
  }
  return rows;
}

TEST(GpuQueue, SaysOfEachKernelWhatTheRecordSays) {
  const auto rows = QueueRows();
  for (const GpuKernel& kernel : GpuKernels()) {
    const auto row = rows.find(std::string(kernel.name));
    ASSERT_NE(row, rows.end()) << kernel.name << " has no row in benchmarks/gpu_queue.md";
    EXPECT_EQ(row->second,
              StrCat(Name(kernel.recorded), " ",
                     kernel.proven_hash.empty() ? "-" : std::string(kernel.proven_hash)))
        << kernel.name;
  }
  EXPECT_EQ(rows.size(), GpuKernels().size() + 2) << "two more are the table's head";
}

TEST(GpuQueue, EveryCudaSourceBelongsToAKernelOfTheRecord) {
  const std::string record = ReadText(kRoot / "kernels/cuda/kernel_states.txt");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kRoot / "kernels/cuda")) {
    if (entry.path().extension() != ".cu") continue;
    const std::string path = entry.path().lexically_relative(kRoot).generic_string();
    EXPECT_THAT(record, ::testing::HasSubstr(path))
        << path << ": add a line to kernels/cuda/kernel_states.txt";
  }
}

}  // namespace
}  // namespace cadmus
