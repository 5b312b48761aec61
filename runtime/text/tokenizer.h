// SPDX-License-Identifier: Apache-2.0
// Tokenizer: text to token ids and back, whatever the file that it was read from.
//
//   const std::unique_ptr<const Tokenizer> tokenizer = LoadTokenizer("tokenizer.json");
//   std::vector<int32_t> ids = tokenizer->Encode("It was a dark and stormy night");
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cadmus {

struct EncodeOptions {
  // Names of added tokens in the text become those tokens. For text that its author may steer the
  // model with, such as a rendered chat template; never for text from outside.
  bool parse_added_tokens = false;
  // Puts around the ids the special tokens that the tokenizer's file asks for, such as begin of
  // text.
  bool add_special_tokens = false;
};

// Immutable; may be used from several threads at once.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Text is text: unless `options` say so, no text encodes to a special token, whatever it spells.
  std::vector<int32_t> Encode(std::string_view text, const EncodeOptions& options = {}) const;
  // Appends to `ids`.
  void Encode(std::string_view text, std::vector<int32_t>& ids) const { Append(text, {}, ids); }

  // The text of the tokens; a special token gives its name, or nothing where its format has no text
  // for it. May be invalid UTF-8 if the ids are not those of whole text. Throws kData on an id that
  // is no token.
  virtual std::string Decode(std::span<const int32_t> ids) const = 0;

  // How many bytes of UTF-8 a token stands for inside of a text; 0 for a special token, which is no
  // text. Throws kData on an id that is no token.
  virtual int32_t TextBytes(int32_t id) const = 0;

  // Ids are below it, special tokens included.
  virtual int32_t vocab_size() const = 0;
  // The id of an added or special token.
  virtual std::optional<int32_t> SpecialId(std::string_view name) const = 0;
  // The token that separates documents.
  virtual std::optional<int32_t> end_of_text() const = 0;
  // 32 hexadecimal digits, equal for two tokenizers if and only if their contents are. Data sets
  // keep it to refuse a foreign tokenizer.
  virtual const std::string& content_hash() const = 0;

  // TextBytes of every id.
  std::vector<int32_t> TextBytesOfAll() const;

 protected:
  Tokenizer() = default;
  Tokenizer(const Tokenizer&) = default;
  Tokenizer(Tokenizer&&) = default;
  Tokenizer& operator=(const Tokenizer&) = default;
  Tokenizer& operator=(Tokenizer&&) = default;

 private:
  virtual void Append(std::string_view text, const EncodeOptions& options,
                      std::vector<int32_t>& ids) const = 0;
};

inline std::vector<int32_t> Tokenizer::TextBytesOfAll() const {
  std::vector<int32_t> bytes(static_cast<size_t>(vocab_size()));
  for (int32_t id = 0; id < vocab_size(); ++id) bytes[static_cast<size_t>(id)] = TextBytes(id);
  return bytes;
}

inline std::vector<int32_t> Tokenizer::Encode(std::string_view text,
                                              const EncodeOptions& options) const {
  std::vector<int32_t> ids;
  Append(text, options, ids);
  return ids;
}

}  // namespace cadmus
