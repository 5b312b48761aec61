// SPDX-License-Identifier: Apache-2.0
// main of the GPU test binary: exits with 77, saying why, where there is no GPU; --jsonl=FILE
// appends a line per case as soon as it ends, so that a case that hangs loses only itself.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>

#include "kernels/base/error.h"
#include "kernels/cuda/device.h"

namespace cadmus {
namespace {

constexpr int kSkipped = 77;

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      out += ' ';
    } else {
      out += c;
    }
  }
  return out + '"';
}

class JsonLines final : public ::testing::EmptyTestEventListener {
 public:
  explicit JsonLines(const std::string& path) : file_(path, std::ios::app) {
    if (!file_) throw Error(Kind::kConfig, StrCat(path, ": cannot be written"));
  }

  void OnTestStart(const ::testing::TestInfo& test) override {
    Write(test, "started", 0, "");  // the last word of a case that hangs
  }
  void OnTestPartResult(const ::testing::TestPartResult& part) override {
    if (part.passed() || !message_.empty()) return;
    message_ = part.message();
  }
  void OnTestEnd(const ::testing::TestInfo& test) override {
    const ::testing::TestResult& result = *test.result();
    const char* const word = result.Skipped() ? "skipped" : result.Passed() ? "passed" : "failed";
    Write(test, word, static_cast<double>(result.elapsed_time()) / 1000.0, message_);
    message_.clear();
  }

 private:
  void Write(const ::testing::TestInfo& test, const char* result, double seconds,
             std::string_view message) {
    file_ << "{\"case\": " << Quoted(StrCat(test.test_suite_name(), ".", test.name()))
          << ", \"result\": \"" << result << "\", \"seconds\": " << seconds;
    if (!message.empty()) file_ << ", \"message\": " << Quoted(message);
    file_ << "}" << std::endl;  // flushed: see above
  }

  std::ofstream file_;
  std::string message_;  // the first of the case
};

int Main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  constexpr std::string_view kJsonl = "--jsonl=";
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (!argument.starts_with(kJsonl)) {
      std::cerr << "usage: " << argv[0] << " [--jsonl=FILE] [--gtest_filter=...]\n";
      return 2;
    }
    ::testing::UnitTest::GetInstance()->listeners().Append(
        new JsonLines(std::string(argument.substr(kJsonl.size()))));
  }
  if (!::testing::GTEST_FLAG(list_tests)) {
    try {
      // Without a context: what a test then sees of the GPU's memory is its own.
      std::cout << ToString(cuda::VisibleGpus().front()) << "\n";
    } catch (const Error& error) {
      if (error.kind() != Kind::kConfig) throw;
      std::cout << "skipped: " << error.message() << "\n";
      return kSkipped;
    }
  }
  return RUN_ALL_TESTS();
}

}  // namespace
}  // namespace cadmus

int main(int argc, char** argv) {
  try {
    return cadmus::Main(argc, argv);
  } catch (const std::exception& e) {
    std::cerr << e.what() << "\n";
    return 1;
  }
}
