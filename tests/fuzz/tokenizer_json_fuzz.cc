// SPDX-License-Identifier: Apache-2.0
// A tokenizer.json: what is accepted encodes text into ids of its vocabulary, and decodes them.
#include <vector>

#include "runtime/text/tokenizer_json.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cadmus;
  const std::string path = WriteInput("tokenizer.json", AsText(data, size));
  ExpectOnly(Kind::kData, [&] {
    const BpeTokenizer tokenizer = LoadTokenizerJson(path);
    std::vector<int32_t> ids;
    tokenizer.Encode("The quick  brown fox's 123 \xce\xb1\xe4\xbd\xa0\xf0\x9f\x98\x80\xff\n<|a|>",
                     ids);
    for (const int32_t id : ids) {
      CADMUS_CHECK(id >= 0 && id < tokenizer.vocab_size(), StrCat("id ", id));
    }
    tokenizer.Decode(ids);
  });
  return 0;
}
