// SPDX-License-Identifier: Apache-2.0
#include "launch/config/text_tokens.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

namespace cadmus {
namespace {

using google::protobuf::io::Tokenizer;

class IgnoreErrors : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int, int, const std::string&) override {}
};

TokenKind KindOf(Tokenizer::TokenType type) {
  switch (type) {
    case Tokenizer::TYPE_IDENTIFIER:
      return TokenKind::kIdentifier;
    case Tokenizer::TYPE_STRING:
      return TokenKind::kString;
    default:
      return TokenKind::kOther;
  }
}

}  // namespace

std::vector<TextToken> TokensOf(const std::string& text) {
  IgnoreErrors ignore;
  google::protobuf::io::ArrayInputStream stream(text.data(), static_cast<int>(text.size()));
  Tokenizer tokenizer(&stream, &ignore);
  tokenizer.set_comment_style(Tokenizer::SH_COMMENT_STYLE);
  tokenizer.set_allow_f_after_float(true);
  tokenizer.set_require_space_after_number(false);
  std::vector<TextToken> tokens;
  while (tokenizer.Next()) {
    const Tokenizer::Token& token = tokenizer.current();
    tokens.push_back({KindOf(token.type), token.text, {token.line, token.column}});
  }
  tokens.push_back({TokenKind::kEnd, "", {tokenizer.current().line, tokenizer.current().column}});
  return tokens;
}

std::string StringContent(const TextToken& token) {
  std::string content;
  Tokenizer::ParseString(token.text, &content);
  return content;
}

}  // namespace cadmus
