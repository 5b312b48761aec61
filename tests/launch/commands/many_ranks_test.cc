// SPDX-License-Identifier: Apache-2.0
// Far more ranks than cores, as processes: all axes at once make the steps that one rank makes.
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "kernels/base/str_cat.h"
#include "tests/launch/commands/run_fixture.h"

namespace cadmus {
namespace {

namespace fs = std::filesystem;

constexpr int kRanks = 64;
constexpr int kSteps = 3;
// A rank has about 9 MiB to itself; what MPI shares among them and the rest of the tests come on
// top.
constexpr int64_t kNeededMiB = 1536;

bool IsInPath(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (::access((fs::path(folder) / program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

std::optional<int64_t> AvailableMiB() {
  std::ifstream in("/proc/meminfo");
  for (std::string name; in >> name;) {
    int64_t kib = 0;
    if (name == "MemAvailable:" && in >> kib) return kib / 1024;
  }
  return std::nullopt;
}

class ManyRanks : public RunFixture {
 protected:
  // Key/value heads are fewer than the ranks that share a layer, each pipeline rank has one block,
  // and the first and the last share a table.
  const std::vector<std::string> overrides_ = {
      StrCat("train.steps=", kSteps),    "train.global_batch_size=16",
      "model.llama.num_hidden_layers=4", "model.llama.tie_word_embeddings=true",
      "optimizer.clip_norm=0.5",         "precision.storage=F64"};
};

TEST_F(ManyRanks, SixtyFourProcessesTrainAsOneDoes) {
  if (!IsInPath("mpirun")) GTEST_SKIP() << "mpirun is not in PATH";
  const std::optional<int64_t> available = AvailableMiB();
  if (available && *available < kNeededMiB) {
    GTEST_SKIP() << kRanks << " processes need " << kNeededMiB << " MiB of memory, " << *available
                 << " are free";
  }
  const CommandResult alone = Train(overrides_);
  ASSERT_EQ(alone.exit_code, 0) << alone.err;
  const std::vector<MetricsOfStep> expected = ReadMetrics(run_folder());
  ASSERT_EQ(expected.size(), static_cast<size_t>(kSteps));
  fs::remove_all(run_folder());

  Process process(
      TrainCommand(With(overrides_, {"parallel.pp=4", "parallel.tp=4", "parallel.dp_shard=2",
                                     "parallel.dp_replicate=2", "parallel.zero=3"}),
                   kRanks),
      std::chrono::seconds(110));  // alone on two cores it takes five
  const CommandResult result = process.Wait();
  ASSERT_EQ(result.exit_code, 0) << result.err;

  const std::vector<MetricsOfStep> metrics = ReadMetrics(run_folder());
  ASSERT_EQ(metrics.size(), expected.size());
  for (size_t i = 0; i < metrics.size(); ++i) {
    const auto near = [&](double value, double reference) {
      return std::abs(value - reference) <= 1e-9 * std::abs(reference);
    };
    EXPECT_EQ(metrics[i].step, expected[i].step);
    EXPECT_EQ(metrics[i].learning_rate, expected[i].learning_rate);
    EXPECT_TRUE(near(metrics[i].loss, expected[i].loss))
        << "step " << i + 1 << ": loss " << metrics[i].loss << ", of one rank " << expected[i].loss;
    EXPECT_TRUE(near(metrics[i].gradient_norm, expected[i].gradient_norm))
        << "step " << i + 1 << ": gradient norm " << metrics[i].gradient_norm << ", of one rank "
        << expected[i].gradient_norm;
  }
  EXPECT_TRUE(fs::exists(run_folder() / "logs" / "rank-000063.log"));
  const CommandResult verify = Cadmus({"ckpt", "verify", run_folder().string()});
  EXPECT_EQ(verify.exit_code, 0) << verify.err;
}

}  // namespace
}  // namespace cadmus
