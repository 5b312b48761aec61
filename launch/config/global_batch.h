// SPDX-License-Identifier: Apache-2.0
// The samples of a step, whether the config gives them as samples or as tokens.
#pragma once

namespace cadmus {

class RunConfig;

// Puts train.global_batch_size in the place of train.global_batch_tokens, so that all that follows
// knows one number: call it before ValidateRun. Nothing where no tokens are given. Throws kConfig
// where both are, and where the tokens are no multiple of sequence_length × micro_batch_size ×
// data-parallel ranks, naming the nearest that are.
void ResolveGlobalBatch(int world_size, RunConfig& config);

}  // namespace cadmus
