// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/pre_tokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <utility>

#include "kernels/base/error.h"
#include "kernels/base/unique_handle.h"
#include "runtime/text/utf8.h"

namespace cadmus {
namespace {

struct CodeTraits {
  using Handle = pcre2_code*;
  static constexpr Handle kEmpty = nullptr;
  static void Close(Handle code) noexcept { pcre2_code_free(code); }
};
struct MatchDataTraits {
  using Handle = pcre2_match_data*;
  static constexpr Handle kEmpty = nullptr;
  static void Close(Handle data) noexcept { pcre2_match_data_free(data); }
};

std::string MessageOf(int code) {
  PCRE2_UCHAR text[256];
  pcre2_get_error_message(code, text, sizeof(text));
  return reinterpret_cast<const char*>(text);
}

PCRE2_SPTR Units(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

// PCRE2 counts U+180E as space, Unicode and the Hugging Face library do not.
std::string WithUnicodeSpaces(std::string_view pattern) {
  std::string out;
  for (size_t at = 0; at < pattern.size(); ++at) {
    out.push_back(pattern[at]);
    if (pattern[at] != '\\' || at + 1 == pattern.size()) continue;
    switch (const char escaped = pattern[++at]) {
      case 's':
        out += "p{White_Space}";
        break;
      case 'S':
        out += "P{White_Space}";
        break;
      default:
        out.push_back(escaped);
    }
  }
  return out;
}

}  // namespace

struct PreTokenizer::Compiled {
  UniqueHandle<CodeTraits> code;
};

PreTokenizer::PreTokenizer(std::string pattern) : pattern_(std::move(pattern)) {
  const std::string translated = WithUnicodeSpaces(pattern_);
  int error = 0;
  PCRE2_SIZE offset = 0;
  UniqueHandle<CodeTraits> code(pcre2_compile(Units(translated), translated.size(),
                                              PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C,
                                              &error, &offset, nullptr));
  if (!code) {
    throw Error(Kind::kData, StrCat("the pre-tokenizer pattern ", pattern_, " is not a regular ",
                                    "expression of PCRE2: ", MessageOf(error)));
  }
  uint32_t may_be_empty = 0;
  pcre2_pattern_info(code.get(), PCRE2_INFO_MATCHEMPTY, &may_be_empty);
  if (may_be_empty != 0) {
    throw Error(Kind::kData, StrCat("the pre-tokenizer pattern ", pattern_,
                                    " can match the empty text; use one that cannot"));
  }
  // Where a system forbids making code at run time this fails and matching interprets: slower, same
  // pieces.
  pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);
  compiled_ = std::make_unique<const Compiled>(Compiled{std::move(code)});
}

PreTokenizer::PreTokenizer(PreTokenizer&&) noexcept = default;
PreTokenizer& PreTokenizer::operator=(PreTokenizer&&) noexcept = default;
PreTokenizer::~PreTokenizer() = default;

void PreTokenizer::ForEachPiece(std::string_view text,
                                const std::function<void(std::string_view)>& visit) const {
  const pcre2_code* code = compiled_->code.get();
  const UniqueHandle<MatchDataTraits> match(pcre2_match_data_create_from_pattern(code, nullptr));
  CADMUS_CHECK(match, "PCRE2 has no memory for a match");
  while (!text.empty()) {
    const std::string_view run = text.substr(0, ValidUtf8Prefix(text));
    for (size_t at = 0; at < run.size();) {
      const int found =
          pcre2_match(code, Units(run), run.size(), at, PCRE2_NO_UTF_CHECK, match.get(), nullptr);
      if (found == PCRE2_ERROR_NOMATCH) {
        visit(run.substr(at));
        break;
      }
      if (found < 0) {
        throw Error(Kind::kData, StrCat("the pre-tokenizer pattern ", pattern_,
                                        " cannot be matched at byte ", at, " of ", run.size(), ": ",
                                        MessageOf(found), "; use a pattern that backtracks less"));
      }
      const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(match.get());
      CADMUS_CHECK(at <= bounds[0] && bounds[0] < bounds[1],
                   StrCat("match [", bounds[0], ", ", bounds[1], ") from ", at));
      if (bounds[0] > at) visit(run.substr(at, bounds[0] - at));
      visit(run.substr(bounds[0], bounds[1] - bounds[0]));
      at = bounds[1];
    }
    text.remove_prefix(run.size());
    if (!text.empty()) {
      visit(text.substr(0, 1));
      text.remove_prefix(1);
    }
  }
}

}  // namespace cadmus
