// SPDX-License-Identifier: Apache-2.0
#include "launch/commands/data.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>
#include <thread>

#include "kernels/base/error.h"
#include "kernels/base/log.h"
#include "kernels/base/quantity.h"
#include "launch/commands/progress.h"
#include "runtime/data/build_dataset.h"
#include "runtime/data/corpus_reader.h"
#include "runtime/data/text_corpus.h"
#include "runtime/text/load_tokenizer.h"
#include "runtime/text/tokenizer_json.h"
#include "runtime/text/train_bpe.h"

namespace cadmus {
namespace {

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void LogCorpus(const CorpusCounts& counts) {
  LogInfo(StrCat("read ", counts.num_documents, " documents, ", counts.text_bytes,
                 " bytes; skipped ", counts.skipped_binary, " binary and ", counts.skipped_empty,
                 " empty"));
}

TextCorpus CorpusOf(const std::vector<std::string>& texts) {
  return TextCorpus(std::vector<std::filesystem::path>(texts.begin(), texts.end()));
}

int NumCores() { return static_cast<int>(std::max(1u, std::thread::hardware_concurrency())); }

std::string ReadStdin() {
  return std::string(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
}

}  // namespace

int RunDataBuild(const DataBuildFlags& flags) {
  const auto start = std::chrono::steady_clock::now();
  const std::unique_ptr<const Tokenizer> tokenizer = LoadTokenizer(flags.tokenizer);
  if (!tokenizer->end_of_text()) {
    throw Error(Kind::kData, StrCat(flags.tokenizer, " has no end-of-text token; add ", kEndOfText,
                                    " to its added tokens"));
  }
  const TextCorpus corpus = CorpusOf(flags.texts);
  Progress progress("encoding", corpus.file_bytes());
  const BuildDatasetResult result = BuildDataset(
      corpus, {.prefix = flags.out,
               .encode = [&](std::string_view text,
                             std::vector<int32_t>& ids) { tokenizer->Encode(text, ids); },
               .tokenizer_hash = tokenizer->content_hash(),
               .vocab_size = tokenizer->vocab_size(),
               .end_of_text_id = *tokenizer->end_of_text(),
               .text_field = flags.text_field,
               .num_threads = flags.num_threads > 0 ? flags.num_threads : NumCores(),
               .on_progress =
                   [&](const BuildProgress& at) {
                     progress.Show(
                         at.file_bytes,
                         StrCat(CompactText(static_cast<double>(at.num_tokens)), " tokens"));
                   }});
  progress.Clear();
  LogCorpus(result.corpus);
  const double seconds = SecondsSince(start);
  const double megabytes = static_cast<double>(result.sidecar.source_bytes) / 1e6;
  LogInfo(StrCat("wrote ", result.sidecar.num_tokens, " tokens to ", flags.out,
                 ".bin, .idx and .meta.json in ", FixedText(seconds, 1), " s, ",
                 FixedText(megabytes / seconds, 1), " MB of text a second"));
  return 0;
}

int RunTokenizerTrain(const TokenizerTrainFlags& flags) {
  const auto start = std::chrono::steady_clock::now();
  const TextCorpus corpus = CorpusOf(flags.texts);
  CorpusTexts texts(corpus, flags.text_field);
  const BpeTokenizer tokenizer = TrainBpe(
      {.vocab_size = flags.vocab_size, .num_threads = NumCores()}, [&] { return texts.Next(); });
  LogCorpus(texts.counts());
  SaveTokenizerJson(tokenizer, flags.out);
  LogInfo(StrCat("wrote ", tokenizer.vocab_size(), " tokens to ", flags.out, " in ",
                 SecondsSince(start), " s"));
  return 0;
}

int RunTokenizerEncode(const TokenizerCodeFlags& flags) {
  const std::unique_ptr<const Tokenizer> tokenizer = LoadTokenizer(flags.tokenizer);
  std::string line;
  for (int32_t id : tokenizer->Encode(ReadStdin())) line += StrCat(line.empty() ? "" : " ", id);
  std::cout << line << '\n';
  return 0;
}

int RunTokenizerDecode(const TokenizerCodeFlags& flags) {
  const std::unique_ptr<const Tokenizer> tokenizer = LoadTokenizer(flags.tokenizer);
  std::vector<int32_t> ids;
  int32_t id = 0;
  while (std::cin >> id) ids.push_back(id);
  if (!std::cin.eof()) {
    throw Error(Kind::kData, StrCat("token ", ids.size() + 1,
                                    " on stdin is not a number; write ids with spaces between"));
  }
  std::cout << tokenizer->Decode(ids);
  return 0;
}

}  // namespace cadmus
