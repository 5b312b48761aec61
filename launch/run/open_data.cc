// SPDX-License-Identifier: Apache-2.0
#include "launch/run/open_data.h"

#include <optional>

#include "kernels/base/file.h"
#include "launch/config/run_config.pb.h"
#include "models/families.h"
#include "runtime/data/data_sidecar.h"
#include "runtime/data/mixed_sampler.h"
#include "runtime/data/open_token_data.h"
#include "runtime/text/load_tokenizer.h"

namespace cadmus {
namespace {

void CheckFields(const DataConfig& config) {
  const auto require = [](bool holds, std::string_view text) {
    if (!holds) throw Error(Kind::kConfig, text);
  };
  require(!config.path().empty() || config.source_size() > 0,
          "data.path is missing; build a data set with `cadmus data build` and name it");
  require(config.path().empty() || config.source_size() == 0,
          "data.path and data.source are both set; keep one");
  for (const DataSource& source : config.source()) {
    require(!source.path().empty(), "a data.source has no path; name its data set");
  }
  require(
      config.validation_fraction() >= 0 && config.validation_fraction() < 1,
      StrCat("data.validation_fraction = ", config.validation_fraction(), " must lie in [0, 1)"));
  require(config.validation_fraction() == 0 || config.validation_path().empty(),
          "data.validation_fraction and data.validation_path are both set; keep one");
}

// What the data sets of a run have to agree on.
class Agreement {
 public:
  explicit Agreement(const Tokenizer* tokenizer) : tokenizer_(tokenizer) {
    if (tokenizer != nullptr) tokenizer_hash_ = tokenizer->content_hash();
  }

  std::shared_ptr<const TokenData> Open(const std::string& path) {
    const OpenedData opened = OpenTokenData(path);
    if (opened.indexed) {
      AddIndexed(*opened.indexed);
    } else {
      AddShards(*opened.shards);
    }
    return opened.tokens();
  }

  const std::string& tokenizer_hash() const { return tokenizer_hash_; }

  // Fills in or checks the vocabulary of the model.
  void Settle(ModelConfig& model) const {
    const std::optional<int64_t> of_model = VocabSize(model);
    if (!of_model.has_value()) {
      if (!without_vocabulary_.empty() || largest_.empty()) {
        throw Error(Kind::kConfig,
                    StrCat(FieldName(model, "vocab_size"), " is not set and ", without_vocabulary_,
                           " has no .meta.json that says it; set it"));
      }
      SetVocabSize(model, vocab_size_);
    } else if (vocab_size_ > *of_model) {
      throw Error(
          Kind::kData,
          StrCat(largest_, " has a vocabulary of ", vocab_size_, ", the model one of ", *of_model,
                 "; leave ", FieldName(model, "vocab_size"), " out, or rebuild the data set"));
    }
  }

 private:
  void AddIndexed(const IndexedDataset& data) {
    const std::optional<DataSidecar> sidecar = ReadSidecar(data.prefix());
    if (!sidecar) {
      without_vocabulary_ = data.prefix();
      return;
    }
    if (tokenizer_) {
      CheckSidecar(data.prefix(), *sidecar,
                   {.tokenizer_hash = tokenizer_->content_hash(),
                    .vocab_size = tokenizer_->vocab_size(),
                    .num_documents = data.num_documents(),
                    .num_tokens = data.num_tokens()});
    } else if (!tokenizer_hash_.empty() && tokenizer_hash_ != sidecar->tokenizer_hash) {
      throw Error(Kind::kData, StrCat(data.prefix(), " and ", hash_of_,
                                      " were encoded by different tokenizers; build one of them "
                                      "again with `cadmus data build`"));
    }
    tokenizer_hash_ = sidecar->tokenizer_hash;
    hash_of_ = data.prefix();
    AddVocabulary(data.prefix(), sidecar->vocab_size);
  }

  void AddShards(const TokenShards& shards) {
    if (tokenizer_ && !HasSeparator(*tokenizer_, shards.separator())) {
      throw Error(
          Kind::kData,
          StrCat(shards.name(), ": its documents are separated by token ", shards.separator(),
                 ", which separates nothing in the tokenizer of ", tokenizer_->vocab_size(),
                 " entries that data.tokenizer names; name the one of GPT-2 (u16 files) or "
                 "Llama 3 (u32 files)"));
    }
    AddVocabulary(shards.name(), shards.vocab_size());
  }

  static bool HasSeparator(const Tokenizer& tokenizer, int32_t separator) {
    return tokenizer.end_of_text() == separator ||
           tokenizer.SpecialId("<|begin_of_text|>") == separator;
  }

  void AddVocabulary(const std::string& name, int64_t vocab_size) {
    if (vocab_size <= vocab_size_) return;
    vocab_size_ = vocab_size;
    largest_ = name;
  }

  const Tokenizer* tokenizer_;  // null: the run names none
  std::string tokenizer_hash_;
  std::string hash_of_;             // the data set that tokenizer_hash_ is of
  std::string without_vocabulary_;  // a data set that does not say its own
  std::string largest_;             // the data set that vocab_size_ is of
  int64_t vocab_size_ = 0;
};

DataMix OpenTraining(const DataConfig& fields, Agreement& agreement) {
  DataMix training;
  if (!fields.path().empty()) training.push_back(WholeOf(agreement.Open(fields.path())));
  for (const DataSource& source : fields.source()) {
    training.push_back(WholeOf(agreement.Open(source.path()), source.weight()));
  }
  return training;
}

// Takes the validation's share from each part.
DataMix HoldOut(double fraction, DataMix& training) {
  DataMix validation;
  for (DataPart& part : training) {
    const DataSplit split = SplitOff(part, fraction);
    part = split.training;
    validation.push_back(split.validation);
  }
  return validation;
}

}  // namespace

void TrainingData::KeepTokenizer(const std::filesystem::path& destination) const {
  if (!tokenizer.empty()) ReplaceFile(destination, ReadFile(tokenizer, Kind::kData), Kind::kData);
}

TrainingData OpenTrainingData(RunConfig& config) {
  const DataConfig& fields = config.data();
  CheckFields(fields);
  TrainingData data;
  std::unique_ptr<const Tokenizer> tokenizer;
  if (!fields.tokenizer().empty()) {
    data.tokenizer = fields.tokenizer();
    tokenizer = LoadTokenizer(data.tokenizer);
    data.bytes_of_token = tokenizer->TextBytesOfAll();
  }
  Agreement agreement(tokenizer.get());
  data.training = OpenTraining(fields, agreement);
  if (!fields.validation_path().empty()) {
    data.validation.push_back(WholeOf(agreement.Open(fields.validation_path())));
  }
  if (fields.validation_fraction() > 0)
    data.validation = HoldOut(fields.validation_fraction(), data.training);
  if (fields.sequence_length() > 0) {  // ValidateRun speaks of the rest
    MixedSampler(data.training, {.sequence_length = fields.sequence_length()});
  }
  data.tokenizer_hash = agreement.tokenizer_hash();
  agreement.Settle(*config.mutable_model());
  // A model may have room for more tokens than there are.
  if (tokenizer) data.bytes_of_token.resize(static_cast<size_t>(*VocabSize(config.model())));
  return data;
}

DataMix OpenValidationData(const RunConfig& config, const std::string& path,
                           const Tokenizer* tokenizer) {
  const DataConfig& fields = config.data();
  Agreement agreement(tokenizer);
  DataMix validation;
  if (!path.empty()) {
    validation.push_back(WholeOf(agreement.Open(path)));
  } else if (!fields.validation_path().empty()) {
    validation.push_back(WholeOf(agreement.Open(fields.validation_path())));
  } else if (fields.validation_fraction() > 0) {
    DataMix training = OpenTraining(fields, agreement);
    validation = HoldOut(fields.validation_fraction(), training);
  } else {
    throw Error(Kind::kConfig,
                StrCat("the run ", config.name(),
                       " held nothing out (data.validation_fraction, data.validation_path); name a "
                       "data set with --data"));
  }
  ModelConfig model = config.model();
  agreement.Settle(model);
  return validation;
}

ValidationOptions MakeValidationOptions(const RunConfig& config, int64_t max_windows) {
  return {.sequence_length = config.data().sequence_length(),
          .vocab_size = MakeShape(config.model()).vocab_size,
          .mask_across_documents = config.data().mask_across_documents(),
          .max_windows = max_windows};
}

}  // namespace cadmus
