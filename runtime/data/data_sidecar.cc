// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/data_sidecar.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "kernels/base/file.h"

namespace cadmus {
namespace {

constexpr char kRemedy[] = "; build the data set again with `cadmus data build`";

}  // namespace

std::string SidecarPath(const std::string& prefix) { return prefix + ".meta.json"; }

void WriteSidecar(const std::string& prefix, const DataSidecar& sidecar) {
  nlohmann::ordered_json json;
  json["tokenizer_hash"] = sidecar.tokenizer_hash;
  json["vocab_size"] = sidecar.vocab_size;
  json["end_of_text_id"] = sidecar.end_of_text_id;
  json["source"] = sidecar.source;
  json["num_documents"] = sidecar.num_documents;
  json["num_tokens"] = sidecar.num_tokens;
  json["source_bytes"] = sidecar.source_bytes;
  if (sidecar.tokens_crc) json["bin_crc32c"] = *sidecar.tokens_crc;
  if (sidecar.index_crc) json["idx_crc32c"] = *sidecar.index_crc;
  // A path need not be UTF-8: what is not is replaced, never refused.
  const std::string text =
      json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  ReplaceFile(SidecarPath(prefix), text + "\n", Kind::kData);
}

std::optional<DataSidecar> ReadSidecar(const std::string& prefix) {
  const std::string path = SidecarPath(prefix);
  if (!std::filesystem::exists(path)) return std::nullopt;
  try {
    const auto json = nlohmann::json::parse(ReadFile(path, Kind::kData));
    DataSidecar sidecar;
    json.at("tokenizer_hash").get_to(sidecar.tokenizer_hash);
    json.at("vocab_size").get_to(sidecar.vocab_size);
    json.at("end_of_text_id").get_to(sidecar.end_of_text_id);
    json.at("source").get_to(sidecar.source);
    json.at("num_documents").get_to(sidecar.num_documents);
    json.at("num_tokens").get_to(sidecar.num_tokens);
    json.at("source_bytes").get_to(sidecar.source_bytes);
    if (json.contains("bin_crc32c")) sidecar.tokens_crc = json["bin_crc32c"].get<uint32_t>();
    if (json.contains("idx_crc32c")) sidecar.index_crc = json["idx_crc32c"].get<uint32_t>();
    return sidecar;
  } catch (const nlohmann::json::exception& error) {
    throw Error(Kind::kData, StrCat(path, ": broken sidecar, ", error.what(), kRemedy));
  }
}

void CheckSidecar(const std::string& prefix, const DataSidecar& sidecar,
                  const SidecarExpectation& expected) {
  const std::string path = SidecarPath(prefix);
  if (sidecar.tokenizer_hash != expected.tokenizer_hash ||
      sidecar.vocab_size != expected.vocab_size) {
    throw Error(Kind::kData,
                StrCat(path, ": encoded by tokenizer ", sidecar.tokenizer_hash, " with ",
                       sidecar.vocab_size, " entries, but the run's tokenizer is ",
                       expected.tokenizer_hash, " with ", expected.vocab_size,
                       "; name the tokenizer that encoded it, or build the data set again with "
                       "`cadmus data build`"));
  }
  if (sidecar.num_documents != expected.num_documents ||
      sidecar.num_tokens != expected.num_tokens) {
    throw Error(Kind::kData, StrCat(path, ": describes ", sidecar.num_documents, " documents of ",
                                    sidecar.num_tokens, " tokens, but the files beside it hold ",
                                    expected.num_documents, " of ", expected.num_tokens, kRemedy));
  }
}

}  // namespace cadmus
