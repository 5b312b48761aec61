// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/verify_dataset.h"

#include <algorithm>
#include <functional>

#include "kernels/base/checksum.h"
#include "kernels/base/file.h"
#include "runtime/data/data_sidecar.h"
#include "runtime/data/open_token_data.h"

namespace cadmus {
namespace {

class Verifier {
 public:
  Verifier(const std::string& path, const std::optional<ExpectedTokenizer>& tokenizer)
      : path_(path), tokenizer_(tokenizer) {}

  DatasetReport Verify() {
    OpenedData opened;
    std::optional<DataSidecar> sidecar;
    Try([&] { opened = OpenTokenData(path_); });
    Try([&] { sidecar = ReadSidecar(path_); });
    if (sidecar) CheckSidecarFields(*sidecar, opened.indexed.get());
    if (opened.indexed) {
      report_.num_documents = opened.indexed->num_documents();
      report_.num_tokens = opened.indexed->num_tokens();
      if (!sidecar) Note("no .meta.json: checksums, vocabulary and tokenizer are unknown");
      if (sidecar) {
        CheckTokens(*opened.indexed, sidecar->vocab_size);
        CheckDocumentEnds(*opened.indexed, sidecar->end_of_text_id);
      }
    }
    if (opened.shards) {
      report_.num_tokens = opened.shards->num_tokens();
      Note("token files have no checksums and do not name their tokenizer");
      CheckTokens(*opened.shards, opened.shards->vocab_size());
    }
    return std::move(report_);
  }

 private:
  void Fault(std::string text) { report_.faults.push_back(std::move(text)); }
  void Note(std::string_view text) { report_.notes.push_back(StrCat(path_, ": ", text)); }

  // What is thrown about the data is a fault like the others.
  void Try(const std::function<void()>& action) {
    try {
      action();
    } catch (const Error& error) {
      if (error.kind() != Kind::kData) throw;
      Fault(error.message());
    }
  }

  void CheckCrc(const std::string& file, const std::optional<uint32_t>& expected) {
    if (!expected) {
      Note(StrCat("no checksum of ", file, ", an earlier version wrote it"));
      return;
    }
    Try([&] {
      const uint32_t found = Crc32c(MappedFile(file, Kind::kData).bytes());
      if (found == *expected) return;
      Fault(StrCat(file, ": damaged, its CRC32C is ", found, ", not ", *expected));
    });
  }

  void CheckSidecarFields(const DataSidecar& sidecar, const IndexedDataset* data) {
    CheckCrc(path_ + ".bin", sidecar.tokens_crc);
    CheckCrc(path_ + ".idx", sidecar.index_crc);
    const std::string file = SidecarPath(path_);
    if (data != nullptr && (sidecar.num_documents != data->num_documents() ||
                            sidecar.num_tokens != data->num_tokens())) {
      Fault(StrCat(file, ": describes ", sidecar.num_documents, " documents of ",
                   sidecar.num_tokens, " tokens, but the index ", data->num_documents(), " of ",
                   data->num_tokens()));
    }
    if (sidecar.end_of_text_id < 0 || sidecar.end_of_text_id >= sidecar.vocab_size) {
      Fault(StrCat(file, ": the end-of-text token ", sidecar.end_of_text_id,
                   " is outside the vocabulary of ", sidecar.vocab_size));
    }
    if (tokenizer_ && (tokenizer_->hash != sidecar.tokenizer_hash ||
                       tokenizer_->vocab_size != sidecar.vocab_size)) {
      Fault(StrCat(file, ": encoded by tokenizer ", sidecar.tokenizer_hash, " with ",
                   sidecar.vocab_size, " entries, the one given is ", tokenizer_->hash, " with ",
                   tokenizer_->vocab_size));
    }
  }

  void CheckTokens(const TokenData& data, int64_t vocab_size) {
    std::vector<int32_t> tokens(static_cast<size_t>(std::min(kTokensPerRead, data.num_tokens())));
    int64_t num_outside = 0, first = 0;
    int32_t first_token = 0;
    Try([&] {
      for (int64_t begin = 0; begin < data.num_tokens(); begin += kTokensPerRead) {
        const int64_t count = std::min(kTokensPerRead, data.num_tokens() - begin);
        data.Read(begin, count, tokens.data());
        for (int64_t i = 0; i < count; ++i) {
          const int32_t token = tokens[static_cast<size_t>(i)];
          if (token >= 0 && token < vocab_size) continue;
          if (num_outside++ > 0) continue;
          first = begin + i;
          first_token = token;
        }
      }
    });
    if (num_outside == 0) return;
    Fault(StrCat(data.name(), ": ", num_outside, num_outside == 1 ? " token is" : " tokens are",
                 " outside the vocabulary of ", vocab_size, ", the first is token ", first, ", ",
                 first_token));
  }

  void CheckDocumentEnds(const IndexedDataset& data, int32_t end_of_text_id) {
    int64_t num_open = 0, first = 0;
    Try([&] {
      for (int64_t i = 0; i < data.num_documents(); ++i) {
        int32_t last = -1;
        if (data.DocumentLength(i) > 0) data.Read(data.DocumentBegin(i + 1) - 1, 1, &last);
        if (last == end_of_text_id) continue;
        if (num_open++ == 0) first = i;
      }
    });
    if (num_open == 0) return;
    Fault(StrCat(data.name(), ": ", num_open, num_open == 1 ? " document does" : " documents do",
                 " not end with the end-of-text token ", end_of_text_id, ", the first is document ",
                 first));
  }

  const std::string& path_;
  const std::optional<ExpectedTokenizer>& tokenizer_;
  DatasetReport report_;
};

}  // namespace

DatasetReport VerifyDataset(const std::string& path,
                            const std::optional<ExpectedTokenizer>& tokenizer) {
  return Verifier(path, tokenizer).Verify();
}

}  // namespace cadmus
