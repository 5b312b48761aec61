// SPDX-License-Identifier: Apache-2.0
// The run that the gate lays out in every way: few enough tokens for hundreds of runs, and every
// difficulty at once: packed documents, dropout, clipping that acts, a vocabulary that nothing
// divides, grouped heads, stages of different sizes.
#pragma once

namespace cadmus {

class RunConfig;

// With sizes that `tp` divides: 12 heads for tp 1, 2, 3, 4 and 6, others where that needs others.
RunConfig SmallRun(int tp);

// Turns the run's Llama model into one of another kind, of the same sizes; kQwen has what later
// models of the family add: norms of query and key heads, biases, a window, scaled RoPE.
enum class Family { kLlama, kQwen, kGpt2 };
void SetFamily(Family family, RunConfig& config);

struct Split {
  int dp_replicate = 1, dp_shard = 1, tp = 1, pp = 1;
  int world_size() const { return dp_replicate * dp_shard * tp * pp; }
};
void SetSplit(const Split& split, RunConfig& config);

// Gives the model the `choice`-th number of key/value heads that tp allows, largest first: all
// heads, fewer, fewer than ranks, one; the last where there are fewer choices.
void SetKeyValueHeads(int choice, RunConfig& config);

// Gives the model at least so many blocks that every stage but the first and the last has one. Even
// stages stay as the config's default makes them where there are blocks for all; else, and for
// uneven stages, the first and last have none, only embedding and head.
enum class Stages { kEven, kUneven };
void SetStages(Stages stages, RunConfig& config);

}  // namespace cadmus
