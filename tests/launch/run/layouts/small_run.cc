// SPDX-License-Identifier: Apache-2.0
#include "tests/launch/run/layouts/small_run.h"

#include <algorithm>
#include <vector>

#include "launch/config/run_config.pb.h"
#include "runtime/schedule/configured_schedule.h"

namespace cadmus {

RunConfig SmallRun(int tp) {
  RunConfig config;
  config.set_name("layout");
  LlamaConfig& llama = *config.mutable_model()->mutable_llama();
  const int heads = 12 % tp == 0 ? 12 : tp == 8 ? 8 : 2 * tp;
  llama.set_vocab_size(131);
  llama.set_hidden_size(2 * heads);
  llama.set_intermediate_size(2 * heads);
  llama.set_num_hidden_layers(8);
  llama.set_num_attention_heads(heads);
  llama.set_max_position_embeddings(32);
  llama.set_dropout(0.1);
  config.mutable_data()->set_path("unused");
  config.mutable_data()->set_sequence_length(24);
  config.mutable_train()->set_steps(10);
  config.mutable_train()->set_global_batch_size(12);
  config.mutable_train()->set_bucket_mib(0.01);
  config.mutable_optimizer()->set_lr(1e-2);
  config.mutable_optimizer()->set_warmup_steps(2);
  config.mutable_optimizer()->set_clip_norm(0.2);
  config.mutable_precision()->set_storage(PrecisionConfig::F64);
  return config;
}

void SetFamily(Family family, RunConfig& config) {
  LlamaConfig& llama = *config.mutable_model()->mutable_llama();
  if (family == Family::kQwen) {
    llama.set_head_dim(4);  // twice hidden_size / heads
    llama.set_qk_norm(true);
    llama.set_qkv_bias(true);
    llama.set_sliding_window(7);
    LlamaConfig::RopeScaling& scaling = *llama.mutable_rope_scaling();
    scaling.set_factor(4);
    scaling.set_low_freq_factor(1);
    scaling.set_high_freq_factor(4);
    scaling.set_original_max_position_embeddings(16);
  }
  if (family != Family::kGpt2) return;
  Gpt2Config gpt2;
  gpt2.set_vocab_size(llama.vocab_size());
  gpt2.set_hidden_size(llama.hidden_size());
  gpt2.set_intermediate_size(llama.intermediate_size());
  gpt2.set_num_hidden_layers(llama.num_hidden_layers());
  gpt2.set_num_attention_heads(llama.num_attention_heads());
  gpt2.set_max_position_embeddings(llama.max_position_embeddings());
  gpt2.set_tie_word_embeddings(llama.tie_word_embeddings());
  gpt2.set_dropout(llama.dropout());
  config.mutable_model()->clear_llama();
  *config.mutable_model()->mutable_gpt2() = gpt2;
}

void SetSplit(const Split& split, RunConfig& config) {
  ParallelConfig& parallel = *config.mutable_parallel();
  parallel.set_dp_replicate(split.dp_replicate);
  parallel.set_dp_shard(split.dp_shard);
  parallel.set_tp(split.tp);
  parallel.set_pp(split.pp);
}

void SetKeyValueHeads(int choice, RunConfig& config) {
  LlamaConfig& llama = *config.mutable_model()->mutable_llama();
  const int tp = config.parallel().tp();
  std::vector<int> allowed;
  for (int kv = static_cast<int>(llama.num_attention_heads()); kv >= 1; --kv) {
    const bool fits = kv % tp == 0 || tp % kv == 0;
    if (llama.num_attention_heads() % kv == 0 && fits) allowed.push_back(kv);
  }
  const int last = static_cast<int>(allowed.size()) - 1;
  llama.set_num_key_value_heads(allowed[static_cast<size_t>(std::min(choice, last))]);
}

void SetStages(Stages stages, RunConfig& config) {
  ParallelConfig& parallel = *config.mutable_parallel();
  LlamaConfig& llama = *config.mutable_model()->mutable_llama();
  const int num_stages = parallel.pp() * *NumChunks(parallel);
  const int blocks = std::max<int>(static_cast<int>(llama.num_hidden_layers()), num_stages - 2);
  llama.set_num_hidden_layers(blocks);
  if (stages == Stages::kEven && num_stages <= blocks) return;
  std::vector<int> of_stage(static_cast<size_t>(num_stages), 1);
  of_stage.front() = of_stage.back() = 0;
  // What is left goes to the middle stages, or, of two stages, to the last.
  for (int left = blocks - std::max(num_stages - 2, 0), at = 0; left > 0; --left, ++at) {
    of_stage[static_cast<size_t>(num_stages <= 2 ? num_stages - 1 : 1 + at % 2)] += 1;
  }
  for (int count : of_stage) parallel.add_blocks_per_stage(count);
}

}  // namespace cadmus
