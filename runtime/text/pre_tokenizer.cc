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

// One pattern, compiled.
class PreTokenizer::Splitter {
 public:
  explicit Splitter(std::string pattern);

  UniqueHandle<MatchDataTraits> NewMatch() const;

  // Calls `visit` with the matches in `text`, which is valid UTF-8, and with what lies between
  // them. `match` is a NewMatch() that nothing else uses meanwhile.
  template <class Visit>
  void ForEachPiece(std::string_view text, pcre2_match_data* match, const Visit& visit) const;

 private:
  std::string pattern_;
  UniqueHandle<CodeTraits> code_;
  bool is_machine_code_ = false;
};

PreTokenizer::Splitter::Splitter(std::string pattern) : pattern_(std::move(pattern)) {
  const std::string translated = WithUnicodeSpaces(pattern_);
  int error = 0;
  PCRE2_SIZE offset = 0;
  code_ = UniqueHandle<CodeTraits>(pcre2_compile(Units(translated), translated.size(),
                                                 PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C,
                                                 &error, &offset, nullptr));
  if (!code_) {
    throw Error(Kind::kData, StrCat("the pre-tokenizer pattern ", pattern_, " is not a regular ",
                                    "expression of PCRE2: ", MessageOf(error)));
  }
  uint32_t may_be_empty = 0;
  pcre2_pattern_info(code_.get(), PCRE2_INFO_MATCHEMPTY, &may_be_empty);
  if (may_be_empty != 0) {
    throw Error(Kind::kData, StrCat("the pre-tokenizer pattern ", pattern_,
                                    " can match the empty text; use one that cannot"));
  }
  // Where a system forbids making code at run time this fails and matching interprets: slower, same
  // pieces.
  pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE);
  size_t code_bytes = 0;
  pcre2_pattern_info(code_.get(), PCRE2_INFO_JITSIZE, &code_bytes);
  is_machine_code_ = code_bytes > 0;
}

UniqueHandle<MatchDataTraits> PreTokenizer::Splitter::NewMatch() const {
  UniqueHandle<MatchDataTraits> match(pcre2_match_data_create_from_pattern(code_.get(), nullptr));
  CADMUS_CHECK(match, "PCRE2 has no memory for a match");
  return match;
}

template <class Visit>
void PreTokenizer::Splitter::ForEachPiece(std::string_view text, pcre2_match_data* match,
                                          const Visit& visit) const {
  const pcre2_code* code = code_.get();
  for (size_t at = 0; at < text.size();) {
    const int found =
        is_machine_code_
            ? pcre2_jit_match(code, Units(text), text.size(), at, 0, match, nullptr)
            : pcre2_match(code, Units(text), text.size(), at, PCRE2_NO_UTF_CHECK, match, nullptr);
    if (found == PCRE2_ERROR_NOMATCH) return visit(text.substr(at));
    if (found < 0) {
      throw Error(Kind::kData, StrCat("the pre-tokenizer pattern ", pattern_,
                                      " cannot be matched at byte ", at, " of ", text.size(), ": ",
                                      MessageOf(found), "; use a pattern that backtracks less"));
    }
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(match);
    CADMUS_CHECK(at <= bounds[0] && bounds[0] < bounds[1],
                 StrCat("match [", bounds[0], ", ", bounds[1], ") from ", at));
    if (bounds[0] > at) visit(text.substr(at, bounds[0] - at));
    visit(text.substr(bounds[0], bounds[1] - bounds[0]));
    at = bounds[1];
  }
}

PreTokenizer::PreTokenizer(std::vector<std::string> patterns) {
  for (std::string& pattern : patterns) splitters_.emplace_back(std::move(pattern));
}

PreTokenizer::PreTokenizer(std::string pattern)
    : PreTokenizer(std::vector<std::string>{std::move(pattern)}) {}

PreTokenizer::PreTokenizer(PreTokenizer&&) noexcept = default;
PreTokenizer& PreTokenizer::operator=(PreTokenizer&&) noexcept = default;
PreTokenizer::~PreTokenizer() = default;

void PreTokenizer::ForEachPiece(std::string_view text,
                                const std::function<void(std::string_view)>& visit) const {
  std::vector<UniqueHandle<MatchDataTraits>> matches;
  for (const Splitter& splitter : splitters_) matches.push_back(splitter.NewMatch());
  const auto split_from = [&](const auto& self, size_t step, std::string_view part) -> void {
    if (step == splitters_.size()) return visit(part);
    pcre2_match_data* match = matches[step].get();
    if (step + 1 == splitters_.size()) return splitters_[step].ForEachPiece(part, match, visit);
    splitters_[step].ForEachPiece(part, match,
                                  [&](std::string_view piece) { self(self, step + 1, piece); });
  };
  while (!text.empty()) {
    const std::string_view run = text.substr(0, ValidUtf8Prefix(text));
    if (!run.empty()) split_from(split_from, 0, run);
    text.remove_prefix(run.size());
    if (!text.empty()) {
      visit(text.substr(0, 1));
      text.remove_prefix(1);
    }
  }
}

}  // namespace cadmus
