// SPDX-License-Identifier: Apache-2.0
#include "launch/commands/data_inspect.h"

#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "kernels/base/error.h"
#include "kernels/base/quantity.h"
#include "launch/commands/print_json.h"
#include "runtime/data/data_sidecar.h"
#include "runtime/data/dataset_stats.h"
#include "runtime/data/open_token_data.h"
#include "runtime/data/verify_dataset.h"
#include "runtime/data/window_sampler.h"
#include "runtime/text/load_tokenizer.h"

namespace cadmus {
namespace {

using Json = nlohmann::ordered_json;

std::unique_ptr<const Tokenizer> LoadIfGiven(const std::string& file) {
  if (file.empty()) return nullptr;
  return LoadTokenizer(file);
}

std::string TextOf(std::span<const int32_t> tokens, const Tokenizer* tokenizer) {
  if (tokenizer != nullptr) return tokenizer->Decode(tokens);
  std::string text;
  for (const int32_t token : tokens) text += StrCat(text.empty() ? "" : " ", token);
  return text;
}

struct Measured {
  std::string path;
  DatasetStats stats;
  std::optional<int32_t> separator;
  std::optional<DataSidecar> sidecar;
};

Measured Measure(const std::string& path) {
  Measured measured;
  measured.path = path;
  const OpenedData opened = OpenTokenData(path);
  if (opened.indexed) {
    measured.sidecar = ReadSidecar(path);
    if (measured.sidecar) measured.separator = measured.sidecar->end_of_text_id;
  } else {
    measured.separator = opened.shards->separator();
  }
  measured.stats = MeasureDataset(*opened.tokens(), measured.separator);
  return measured;
}

Json ToJson(const Measured& measured, double share) {
  const DatasetStats& stats = measured.stats;
  Json json = {{"path", measured.path},
               {"documents", stats.num_documents},
               {"tokens", stats.num_tokens},
               {"share", share},
               {"document_tokens",
                {{"least", stats.lengths.least},
                 {"p10", stats.lengths.p10},
                 {"median", stats.lengths.median},
                 {"p90", stats.lengths.p90},
                 {"p99", stats.lengths.p99},
                 {"most", stats.lengths.most}}},
               {"largest_token", stats.largest_token}};
  if (measured.separator) {
    json["end_of_document_token"] = *measured.separator;
    json["end_of_document_tokens"] = stats.num_separators;
  }
  if (measured.sidecar) {
    json["vocab_size"] = measured.sidecar->vocab_size;
    json["text_bytes"] = measured.sidecar->source_bytes;
    json["tokenizer_hash"] = measured.sidecar->tokenizer_hash;
  }
  return json;
}

std::string ToText(const Measured& measured, double share) {
  const DatasetStats& stats = measured.stats;
  std::string text =
      StrCat(measured.path, "\n  ", stats.num_documents, " documents, ", stats.num_tokens,
             " tokens (", FixedText(100 * share, 1), " % of all)\n  tokens of a document: least ",
             stats.lengths.least, ", 10% ", stats.lengths.p10, ", median ", stats.lengths.median,
             ", 90% ", stats.lengths.p90, ", 99% ", stats.lengths.p99, ", most ",
             stats.lengths.most, "\n  largest token ", stats.largest_token);
  if (measured.separator) {
    text +=
        StrCat(", ", stats.num_separators, " end-of-document tokens (", *measured.separator, ")");
  }
  if (measured.sidecar) {
    text += StrCat("\n  ",
                   FixedText(static_cast<double>(measured.sidecar->source_bytes) /
                                 static_cast<double>(stats.num_tokens),
                             2),
                   " bytes of text a token, vocabulary of ", measured.sidecar->vocab_size,
                   ", tokenizer ", measured.sidecar->tokenizer_hash);
  }
  return text + "\n";
}

void RequireInRange(std::string_view what, int64_t number, int64_t count, const std::string& path) {
  if (number < count) return;
  throw Error(Kind::kConfig, StrCat("there is no ", what, " ", number, ", ", path, " has ", count,
                                    ", counted from 0"));
}

int ShowDocument(const DataShowFlags& flags) {
  const OpenedData opened = OpenTokenData(flags.path);
  if (!opened.indexed) {
    throw Error(Kind::kConfig, StrCat(flags.path,
                                      ": token files have no numbered documents; show "
                                      "a --window"));
  }
  const IndexedDataset& data = *opened.indexed;
  RequireInRange("document", flags.document, data.num_documents(), flags.path);
  const int64_t begin = data.DocumentBegin(flags.document);
  std::vector<int32_t> tokens(static_cast<size_t>(data.DocumentLength(flags.document)));
  data.Read(begin, static_cast<int64_t>(tokens.size()), tokens.data());
  const std::string text = TextOf(tokens, LoadIfGiven(flags.tokenizer).get());
  if (flags.json) {
    PrintJson(Json({{"document", flags.document},
                    {"first_token", begin},
                    {"tokens", tokens},
                    {"text", text}}));
  } else {
    std::cerr << "== document " << flags.document << " of " << data.num_documents() << ": "
              << tokens.size() << " tokens from token " << begin << '\n'
              << text << '\n';
  }
  return 0;
}

// A window as training sees it, cut into its documents.
struct ShownWindow {
  std::vector<int32_t> tokens, labels, positions, documents;
  int64_t first_token = 0;
  int64_t num_windows = 0;
};

ShownWindow ReadWindow(const TokenData& data, const DataShowFlags& flags) {
  const WindowSampler sampler(data, {.sequence_length = flags.sequence_length,
                                     .vocab_size = std::numeric_limits<int32_t>::max()});
  RequireInRange("window", flags.window, sampler.windows_per_epoch(), flags.path);
  const auto s = static_cast<size_t>(flags.sequence_length);
  ShownWindow window = {.tokens = std::vector<int32_t>(s),
                        .labels = std::vector<int32_t>(s),
                        .positions = std::vector<int32_t>(s),
                        .documents = std::vector<int32_t>(s),
                        .first_token = flags.window * flags.sequence_length,
                        .num_windows = sampler.windows_per_epoch()};
  sampler.FillFrom(window.first_token, {.tokens = window.tokens.data(),
                                        .labels = window.labels.data(),
                                        .positions = window.positions.data(),
                                        .documents = window.documents.data()});
  return window;
}

int ShowWindow(const DataShowFlags& flags) {
  const OpenedData opened = OpenTokenData(flags.path);
  const ShownWindow window = ReadWindow(*opened.tokens(), flags);
  const std::unique_ptr<const Tokenizer> tokenizer = LoadIfGiven(flags.tokenizer);
  Json texts = Json::array();
  std::string shown;
  size_t num_masked = 0;
  for (size_t begin = 0; begin < window.tokens.size();) {
    size_t end = begin + 1;
    while (end < window.tokens.size() && window.documents[end] == window.documents[begin]) ++end;
    const std::string text =
        TextOf(std::span(window.tokens).subspan(begin, end - begin), tokenizer.get());
    texts.push_back(text);
    shown += StrCat(
        "-- document ", window.documents[begin], " of the window",
        opened.indexed
            ? StrCat(" (",
                     opened.indexed->DocumentOf(window.first_token + static_cast<int64_t>(begin)),
                     " of the data set)")
            : std::string(),
        ", positions ", window.positions[begin], " to ", window.positions[end - 1], "\n", text,
        "\n");
    if (window.labels[end - 1] < 0) {
      ++num_masked;
      shown += "-- no label: the next token begins another document\n";
    }
    begin = end;
  }
  if (flags.json) {
    PrintJson(Json({{"window", flags.window},
                    {"first_token", window.first_token},
                    {"tokens", window.tokens},
                    {"labels", window.labels},
                    {"positions", window.positions},
                    {"documents", window.documents},
                    {"texts", texts}}));
  } else {
    std::cerr << "== window " << flags.window << " of " << window.num_windows << ": "
              << window.tokens.size() << " tokens from token " << window.first_token << ", "
              << window.tokens.size() - num_masked << " of them predict the next\n"
              << shown;
  }
  return 0;
}

}  // namespace

int RunDataStats(const DataStatsFlags& flags) {
  std::vector<Measured> all;
  int64_t num_tokens = 0;
  for (const std::string& path : flags.paths) {
    all.push_back(Measure(path));
    num_tokens += all.back().stats.num_tokens;
  }
  Json sources = Json::array();
  for (const Measured& measured : all) {
    const double share =
        static_cast<double>(measured.stats.num_tokens) / static_cast<double>(num_tokens);
    if (flags.json) {
      sources.push_back(ToJson(measured, share));
    } else {
      std::cerr << ToText(measured, share);
    }
  }
  if (flags.json) PrintJson(Json({{"tokens", num_tokens}, {"sources", sources}}));
  return 0;
}

int RunDataShow(const DataShowFlags& flags) {
  return flags.document >= 0 ? ShowDocument(flags) : ShowWindow(flags);
}

int RunDataVerify(const DataVerifyFlags& flags) {
  std::optional<ExpectedTokenizer> expected;
  if (const std::unique_ptr<const Tokenizer> tokenizer = LoadIfGiven(flags.tokenizer)) {
    expected = {.hash = tokenizer->content_hash(), .vocab_size = tokenizer->vocab_size()};
  }
  const DatasetReport report = VerifyDataset(flags.path, expected);
  if (flags.json) {
    PrintJson(Json({{"path", flags.path},
                    {"good", report.faults.empty()},
                    {"faults", report.faults},
                    {"notes", report.notes},
                    {"tokens", report.num_tokens}}));
  }
  if (!report.faults.empty()) {
    std::string text;
    for (const std::string& fault : report.faults) text += StrCat("\n  ", fault);
    throw Error(Kind::kData,
                StrCat(flags.path, " is damaged:", text, "\nbuild or fetch the data set again"));
  }
  if (!flags.json) {
    for (const std::string& note : report.notes) std::cerr << "note: " << note << '\n';
    std::cerr << flags.path << ": good, " << report.num_tokens << " tokens\n";
  }
  return 0;
}

}  // namespace cadmus
