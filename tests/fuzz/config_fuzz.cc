// SPDX-License-Identifier: Apache-2.0
// A config, and behind lines of "%%" overrides, a line each: what is accepted is validated, written
// out, and read back to the same.
#include <vector>

#include "launch/config/config_to_text.h"
#include "launch/config/load_config.h"
#include "launch/config/run_config.pb.h"
#include "launch/config/validate_run.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cadmus;
  constexpr int kWorldSize = 8;
  std::string_view text = AsText(data, size);
  if (text.find("include") != text.npos) return 0;  // which may name any file of the machine
  std::vector<std::string> overrides;
  constexpr std::string_view kSeparator = "\n%%\n";
  for (size_t at = text.rfind(kSeparator); at != text.npos; at = text.rfind(kSeparator)) {
    overrides.emplace_back(text.substr(at + kSeparator.size()));
    text = text.substr(0, at);
  }
  const std::string path = WriteInput("config.textproto", text);
  ExpectOnly(Kind::kConfig, [&] {
    RunConfig config;
    LoadConfig(path, overrides, config);
    const std::string written = ConfigToText(config);
    RunConfig again;
    LoadConfig(WriteInput("again.textproto", written), {}, again);
    CADMUS_CHECK(ConfigToText(again) == written, "the text of a config reads back to another");
    ValidateRun(config, kWorldSize);
  });
  return 0;
}
