// SPDX-License-Identifier: Apache-2.0
// RunFixture: a folder with a tokenizer, a data set and the config of a tiny run, and the binary to
// try on them.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include "tests/launch/commands/process.h"

namespace cadmus {

class RunFixture : public testing::Test {
 protected:
  RunFixture();
  ~RunFixture() override;

  const std::filesystem::path& folder() const { return folder_; }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::filesystem::path run_folder() const { return folder_ / "runs" / "tiny"; }
  std::filesystem::path checkpoint(int step) const;

  // Some English-like text that depends on `seed`, as a folder of `name`.
  std::string WriteText(const std::string& name, int seed) const;
  // Fails the test unless the command ends with 0.
  void MakeTokenizer(const std::string& text, int vocab_size, const std::string& out) const;
  void MakeDataset(const std::string& text, const std::string& tokenizer,
                   const std::string& out) const;

  // `cadmus arguments…`
  CommandResult Cadmus(std::vector<std::string> arguments) const;
  // `cadmus train CONFIG --set override…`, on one rank without mpirun, or on several under it. The
  // tiny run takes 12 steps, saves every 4 and has dropout.
  std::vector<std::string> TrainCommand(const std::vector<std::string>& overrides = {},
                                        int num_ranks = 1) const;
  CommandResult Train(const std::vector<std::string>& overrides = {}, int num_ranks = 1) const;

 private:
  std::filesystem::path folder_;
};

// Overrides that make a step take some tens of milliseconds, so that a signal sent when one is
// announced arrives long before the last.
extern const std::vector<std::string> kSlowSteps;

std::vector<std::string> With(std::vector<std::string> overrides,
                              const std::vector<std::string>& more);

// The bytes of every tensor in the shards of a checkpoint.
std::map<std::string, std::string> TensorsOf(const std::filesystem::path& checkpoint);

// The line of a step in metrics.jsonl: what an exact resume repeats.
struct MetricsOfStep {
  int64_t step = 0;
  double loss = 0, gradient_norm = 0, learning_rate = 0;
  bool operator==(const MetricsOfStep&) const = default;
};
std::vector<MetricsOfStep> ReadMetrics(const std::filesystem::path& run);

// Changes one byte in the middle of a file.
void FlipByte(const std::filesystem::path& file);

}  // namespace cadmus
