// SPDX-License-Identifier: Apache-2.0
// The layouts of the gate, enumerated by asking the validator: on at most 8 ranks every (dp, tp,
// pp, zero, schedule), a pairwise covering of all other options, and, for the soak, their product.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/open_device.h"
#include "tests/launch/run/layouts/small_run.h"

namespace cadmus {

class RunConfig;

inline constexpr int kMaxLayoutRanks = 8;

struct LayoutCase {
  // Shared by the copies of a case, and never changed.
  std::shared_ptr<const RunConfig> config;
  int world_size = 1;
  CpuStreams streams = CpuStreams::kInline;

  // "8 ranks: pp 2, …, tp 2; zero 3, schedule ZBV; model …": enough to run it again.
  std::string Name() const;
};

// `config` with the smallest global batch that makes it valid; nothing where none does.
std::optional<LayoutCase> WithSmallestBatch(RunConfig config, CpuStreams streams);

// One layout of the usual model, with 12 heads and 8 blocks, given as overrides: "pp=2 zero=3
// schedule=ZBV model.llama.tie_word_embeddings=true"; a field without a dot is one of `parallel`.
// Ranks that are not named are none. Throws kConfig for a field that is none; the layout is valid.
LayoutCase NamedLayout(const std::string& overrides, Family family = Family::kLlama);

// Every split of 1 to 8 ranks over dp_replicate, dp_shard, tp and pp, with every zero stage and
// schedule that is valid there; on one pipeline rank, where schedules differ little, with
// ONE_F_ONE_B and another one in turn.
std::vector<LayoutCase> CoreCases();

// Calls `visit` with the core cases, all schedules on one pipeline rank too, times the options that
// take other paths through the code: sequence_parallel, token_parts, recompute, offload, tied head,
// uneven stages, chunks; the flags that change no path take turns. Part `part` of `num_parts`.
void VisitSoakCases(int part, int num_parts, const std::function<void(const LayoutCase&)>& visit);

// The run of one rank that the layout must agree with: same model, samples and optimizer.
RunConfig OneRankConfig(const RunConfig& config);

// Layouts with the same key differ in flags only: equal to the bit (P4).
std::string BitsKey(const LayoutCase& layout);

}  // namespace cadmus
