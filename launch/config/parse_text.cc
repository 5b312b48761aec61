// SPDX-License-Identifier: Apache-2.0
#include "launch/config/parse_text.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>

#include <charconv>
#include <memory>
#include <optional>
#include <vector>

#include "kernels/base/error.h"
#include "launch/config/field_mistakes.h"
#include "launch/config/text_tokens.h"

namespace cadmus {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::TextFormat;

struct Mistake {
  TextPlace place;
  std::string message;
};

class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int column, const std::string& message) override {
    if (!mistake_) mistake_ = {{line, column}, message};
  }
  const std::optional<Mistake>& mistake() const { return mistake_; }

 private:
  std::optional<Mistake> mistake_;
};

bool IsOneOf(const TextToken& token, std::string_view characters) {
  return token.kind == TokenKind::kOther && token.text.size() == 1 &&
         characters.find(token.text[0]) != std::string_view::npos;
}

// Follows a text up to the place where the parser gave up. The parser often names neither field nor
// type, and points behind names and values it refuses; this finds them.
class MistakeFinder {
 public:
  MistakeFinder(const std::string& text, const Descriptor& type, const Mistake& reported)
      : tokens_(TokensOf(text)), reported_(reported), open_({{.type = &type}}) {}

  Mistake Find() {
    for (; at_ < tokens_.size() && tokens_[at_].place <= reported_.place; ++at_) {
      const TextToken& token = tokens_[at_];
      if (token.place == reported_.place) {
        if (auto mistake = AtReportedPlace(token)) return *mistake;
      }
      if (auto mistake = Follow(token)) return *mistake;
    }
    return reported_;
  }

 private:
  enum class Expect { kName, kColonOrValue, kValue };

  // A brace or bracket that is open: the type whose fields stand in the brace, or the field whose
  // values stand in the bracket; null if not known.
  struct Open {
    const Descriptor* type = nullptr;
    const FieldDescriptor* field = nullptr;
    bool is_list = false;
  };

  bool in_list() const { return open_.back().is_list; }

  // The token that the parser stumbled over, if it is a value of the wrong type.
  std::optional<Mistake> AtReportedPlace(const TextToken& token) const {
    if (field_ == nullptr || expect_ == Expect::kName) return std::nullopt;
    if (expect_ == Expect::kColonOrValue) {
      const bool is_message = field_->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
      const bool wrong = is_message ? !IsOneOf(token, ":{<[") : IsOneOf(token, "{<");
      if (!wrong && IsOneOf(token, ":{<")) {
        // The name itself was refused: a field that stands twice.
        return Mistake{name_place_, reported_.message};
      }
      if (!wrong) return std::nullopt;
    } else if (in_list() && (IsOneOf(token, ",]") || token.kind == TokenKind::kEnd)) {
      return std::nullopt;
    }
    std::string got = token.kind == TokenKind::kEnd ? "the end of the text" : token.text;
    if (got == "-" && at_ + 1 < tokens_.size()) got += tokens_[at_ + 1].text;
    if (at_ > 0 && IsOneOf(tokens_[at_ - 1], "-")) got = "-" + got;
    return Mistake{token.place, WrongValue(*field_, got)};
  }

  // Advances the state over one token; a mistake that the parser reports behind its place is found
  // here first.
  std::optional<Mistake> Follow(const TextToken& token) {
    switch (expect_) {
      case Expect::kName:
        return FollowName(token);
      case Expect::kColonOrValue:
        if (!IsOneOf(token, ":")) return FollowValue(token);
        expect_ = Expect::kValue;
        return std::nullopt;
      case Expect::kValue:
        return FollowValue(token);
    }
    return std::nullopt;
  }

  std::optional<Mistake> FollowName(const TextToken& token) {
    if (IsOneOf(token, "}>")) {
      if (open_.size() > 1) open_.pop_back();
      if (in_list()) expect_ = Expect::kValue;  // between two messages of a list
      return std::nullopt;
    }
    if (token.kind != TokenKind::kIdentifier) return std::nullopt;
    const Descriptor* type = open_.back().type;
    name_place_ = token.place;
    field_ = type == nullptr ? nullptr : type->FindFieldByName(token.text);
    expect_ = Expect::kColonOrValue;
    if (type != nullptr && field_ == nullptr) {
      return Mistake{token.place, NoSuchField(*type, token.text)};
    }
    return std::nullopt;
  }

  std::optional<Mistake> FollowValue(const TextToken& token) {
    if (in_list()) field_ = open_.back().field;
    if (IsOneOf(token, "{<")) {
      open_.push_back({.type = field_ == nullptr ? nullptr : field_->message_type()});
      expect_ = Expect::kName;
      return std::nullopt;
    }
    if (IsOneOf(token, "[")) {
      open_.push_back({.field = field_, .is_list = true});
      expect_ = Expect::kValue;
      return std::nullopt;
    }
    if (IsOneOf(token, "]")) {
      if (in_list()) open_.pop_back();
      expect_ = Expect::kName;
      return std::nullopt;
    }
    if (IsOneOf(token, "-,")) return std::nullopt;
    if (!in_list()) expect_ = Expect::kName;
    return RefusedWord(token);
  }

  // Enumerators and booleans: a word that the field does not know.
  std::optional<Mistake> RefusedWord(const TextToken& token) const {
    if (field_ == nullptr || !(token.place < reported_.place)) return std::nullopt;
    bool known = true;
    if (field_->cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
      known = IsEnumerator(*field_->enum_type(), token);
    } else if (field_->cpp_type() == FieldDescriptor::CPPTYPE_BOOL) {
      known = kBooleans.find(StrCat(" ", token.text, " ")) != std::string_view::npos;
    }
    if (known) return std::nullopt;
    return Mistake{token.place, WrongValue(*field_, token.text)};
  }

  // By name or by number; the number of a negative one stands behind its sign and is let through.
  bool IsEnumerator(const google::protobuf::EnumDescriptor& type, const TextToken& token) const {
    if (token.kind == TokenKind::kIdentifier) return type.FindValueByName(token.text) != nullptr;
    if (IsOneOf(tokens_[at_ - 1], "-")) return true;
    int number = 0;
    std::from_chars(token.text.data(), token.text.data() + token.text.size(), number);
    return type.FindValueByNumber(number) != nullptr;
  }

  static constexpr std::string_view kBooleans = " true True t 1 false False f 0 ";

  std::vector<TextToken> tokens_;
  const Mistake& reported_;
  std::vector<Open> open_;
  size_t at_ = 0;
  Expect expect_ = Expect::kName;
  const FieldDescriptor* field_ = nullptr;
  TextPlace name_place_;
};

}  // namespace

void ParseText(std::string_view source, const std::string& text, Message& out) {
  FirstError first;
  TextFormat::Parser parser;
  parser.RecordErrorsTo(&first);
  parser.AllowPartialMessage(true);
  const std::unique_ptr<Message> parsed(out.New());
  if (parser.ParseFromString(text, parsed.get()) && !first.mistake()) {
    out.MergeFrom(*parsed);
    return;
  }
  CADMUS_CHECK(first.mistake(), StrCat(source, ": refused without a reason"));
  const Mistake mistake = MistakeFinder(text, *out.GetDescriptor(), *first.mistake()).Find();
  throw Error(Kind::kConfig, StrCat(source, ":", mistake.place.line + 1, ":",
                                    mistake.place.column + 1, ": ", mistake.message));
}

}  // namespace cadmus
