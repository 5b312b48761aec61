// SPDX-License-Identifier: Apache-2.0
#include "models/hugging_face/common_fields.h"

#include "models/hugging_face/config_json.h"

namespace cadmus {
namespace {

// Where it came from, token ids, and how it is run, trained or sampled from.
constexpr std::string_view kWithoutEffect[] = {"_attn_implementation",
                                               "_attn_implementation_autoset",
                                               "_name_or_path",
                                               "architectures",
                                               "auto_map",
                                               "begin_suppress_tokens",
                                               "bos_token_id",
                                               "chunk_size_feed_forward",
                                               "decoder_start_token_id",
                                               "do_sample",
                                               "dtype",
                                               "eos_token_id",
                                               "finetuning_task",
                                               "gradient_checkpointing",
                                               "id2label",
                                               "is_decoder",
                                               "label2id",
                                               "length_penalty",
                                               "max_length",
                                               "min_length",
                                               "num_beams",
                                               "num_labels",
                                               "output_attentions",
                                               "output_hidden_states",
                                               "pad_token_id",
                                               "prefix",
                                               "pretraining_tp",
                                               "problem_type",
                                               "repetition_penalty",
                                               "return_dict",
                                               "return_dict_in_generate",
                                               "sep_token_id",
                                               "suppress_tokens",
                                               "task_specific_params",
                                               "temperature",
                                               "tokenizer_class",
                                               "top_k",
                                               "top_p",
                                               "torch_dtype",
                                               "torchscript",
                                               "transformers.js_config",
                                               "transformers_version",
                                               "unk_token_id",
                                               "use_bfloat16",
                                               "use_cache"};

}  // namespace

void ReadCommonFields(ConfigJson& json) {
  json.HasNoEffect(kWithoutEffect);
  json.MustBe("add_cross_attention", false);
  json.MustBe("is_encoder_decoder", false);
  json.MustBe("is_decoder", false);
}

}  // namespace cadmus
