// SPDX-License-Identifier: Apache-2.0
// tokenizer_speed TOKENIZER TEXT: encodes TEXT, cut into documents of about 8 KiB at line ends, on
// one thread: once to warm up, then once timed. Prints one JSON object: bytes, ids, the seconds of
// processor time, and a CRC32C of the ids by which other encoders check that they did the same.
#include <algorithm>
#include <ctime>
#include <iostream>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/checksum.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "runtime/text/load_tokenizer.h"

namespace cadmus {
namespace {

constexpr size_t kDocumentBytes = 8192;

std::vector<std::string_view> Documents(std::string_view text) {
  std::vector<std::string_view> documents;
  while (!text.empty()) {
    const size_t end = text.find('\n', std::min(text.size(), kDocumentBytes));
    documents.push_back(text.substr(0, end == std::string_view::npos ? end : end + 1));
    text.remove_prefix(documents.back().size());
  }
  return documents;
}

int Run(const char* tokenizer_path, const char* text_path) {
  const auto tokenizer = LoadTokenizer(tokenizer_path);
  const std::string text = ReadFile(text_path, Kind::kData);
  const std::vector<std::string_view> documents = Documents(text);
  std::vector<int32_t> ids;
  double seconds = 0;
  for (int pass = 0; pass < 2; ++pass) {
    ids.clear();
    const std::clock_t start = std::clock();
    for (const std::string_view document : documents) tokenizer->Encode(document, ids);
    seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  }
  std::cout << StrCat("{\"bytes\": ", text.size(), ", \"ids\": ", ids.size(),
                      ", \"crc32c\": ", Crc32c(std::as_bytes(std::span(ids))),
                      ", \"seconds\": ", seconds, "}\n");
  return 0;
}

}  // namespace
}  // namespace cadmus

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: tokenizer_speed TOKENIZER TEXT\n";
    return 2;
  }
  try {
    return cadmus::Run(argv[1], argv[2]);
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
