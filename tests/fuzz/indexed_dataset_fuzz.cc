// SPDX-License-Identifier: Apache-2.0
// The index of a token data set: what is accepted can be walked document by document. The first two
// bytes of the input are the size of the .bin file, the rest is the .idx file.
#include <algorithm>
#include <vector>

#include "runtime/data/indexed_dataset.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cadmus;
  constexpr size_t kSizeBytes = 2;
  if (size < kSizeBytes) return 0;
  WriteInput("data.bin", std::string(data[0] + 256U * data[1], '\1'));
  std::string prefix = WriteInput("data.idx", AsText(data + kSizeBytes, size - kSizeBytes));
  prefix.resize(prefix.size() - std::string_view(".idx").size());
  ExpectOnly(Kind::kData, [&] {
    const IndexedDataset dataset(prefix);
    CADMUS_CHECK(dataset.num_tokens() > 0, "an empty data set");
    std::vector<int32_t> tokens(static_cast<size_t>(dataset.num_tokens()));
    dataset.Read(0, dataset.num_tokens(), tokens.data());
    int64_t at = 0;
    for (int64_t document = 0; document < dataset.num_documents(); ++document) {
      CADMUS_CHECK(dataset.DocumentBegin(document) == at && dataset.DocumentLength(document) >= 0,
                   StrCat("document ", document));
      at += dataset.DocumentLength(document);
      if (dataset.DocumentLength(document) > 0) {
        CADMUS_CHECK(dataset.DocumentOf(at - 1) == document, StrCat("document ", document));
      }
    }
    CADMUS_CHECK(at == dataset.num_tokens(), "documents do not hold all tokens");
  });
  return 0;
}
