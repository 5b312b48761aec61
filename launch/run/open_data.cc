// SPDX-License-Identifier: Apache-2.0
#include "launch/run/open_data.h"

#include "kernels/base/file.h"
#include "launch/config/run_config.pb.h"
#include "runtime/data/data_sidecar.h"
#include "runtime/data/window_sampler.h"
#include "runtime/text/tokenizer_json.h"

namespace cadmus {

void TrainingData::KeepTokenizer(const std::filesystem::path& destination) const {
  if (!tokenizer.empty()) ReplaceFile(destination, ReadFile(tokenizer, Kind::kData), Kind::kData);
}

TrainingData OpenTrainingData(RunConfig& config) {
  const std::string& prefix = config.data().path();
  if (prefix.empty()) {
    throw Error(Kind::kConfig,
                "data.path is missing; build a data set with `cadmus data build` and name it");
  }
  TrainingData data = {.tokens = std::make_shared<IndexedDataset>(prefix)};
  if (config.data().sequence_length() > 0) {  // ValidateRun speaks of the rest
    WindowSampler(*data.tokens, {.sequence_length = config.data().sequence_length()});
  }
  const std::optional<DataSidecar> sidecar = ReadSidecar(prefix);
  if (sidecar) data.tokenizer_hash = sidecar->tokenizer_hash;
  if (config.data().has_tokenizer()) {
    data.tokenizer = config.data().tokenizer();
    const Tokenizer tokenizer = LoadTokenizer(data.tokenizer);
    data.tokenizer_hash = tokenizer.content_hash();
    if (sidecar) {
      CheckSidecar(prefix, *sidecar,
                   {.tokenizer_hash = tokenizer.content_hash(),
                    .vocab_size = tokenizer.vocab_size(),
                    .num_documents = data.tokens->num_documents(),
                    .num_tokens = data.tokens->num_tokens()});
    }
  }

  LlamaConfig& llama = *config.mutable_model()->mutable_llama();
  if (!llama.has_vocab_size()) {
    if (!sidecar) {
      throw Error(Kind::kConfig, StrCat("model.llama.vocab_size is not set and ", prefix,
                                        " has no .meta.json that says it; set it"));
    }
    llama.set_vocab_size(sidecar->vocab_size);
  } else if (sidecar && sidecar->vocab_size > llama.vocab_size()) {
    throw Error(Kind::kData, StrCat(prefix, " has a vocabulary of ", sidecar->vocab_size,
                                    ", the model one of ", llama.vocab_size(),
                                    "; leave model.llama.vocab_size out, or rebuild the data set"));
  }
  return data;
}

}  // namespace cadmus
