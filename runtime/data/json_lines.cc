// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/json_lines.h"

#include <simdjson.h>

#include <utility>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

[[noreturn]] void ThrowBrokenLine(const LinePlace& place, std::string_view what,
                                  std::string_view remedy) {
  throw Error(Kind::kData, StrCat(place.ToString(), ": ", what, "; ", remedy));
}

std::string NamesOf(const simdjson::dom::object& object) {
  constexpr size_t kMostNames = 8;
  std::string names;
  size_t count = 0;
  for (const auto [name, value] : object) {
    if (count == kMostNames) return names + ", …";
    names += StrCat(count == 0 ? "" : ", ", name);
    ++count;
  }
  return count == 0 ? "none" : names;
}

}  // namespace

struct JsonLineParser::Parser {
  simdjson::dom::parser json;
};

std::string LinePlace::ToString() const { return StrCat(file.string(), ":", line); }

JsonLineParser::JsonLineParser(std::string text_field)
    : text_field_(std::move(text_field)), parser_(std::make_unique<Parser>()) {}

JsonLineParser::~JsonLineParser() = default;

std::string_view JsonLineParser::TextOf(std::string_view line, const LinePlace& place) {
  simdjson::dom::element value;
  if (const auto error = parser_->json.parse(line.data(), line.size()).get(value)) {
    ThrowBrokenLine(place, StrCat("broken JSON, ", simdjson::error_message(error)),
                    "correct or remove the line");
  }
  simdjson::dom::object object;
  if (value.get(object) != simdjson::SUCCESS) {
    ThrowBrokenLine(place, "no JSON object",
                    StrCat("each line of a JSONL file is one, {\"", text_field_, "\": \"…\"}"));
  }
  simdjson::dom::element field;
  if (object.at_key(text_field_).get(field) != simdjson::SUCCESS) {
    ThrowBrokenLine(
        place, StrCat("no field \"", text_field_, "\""),
        StrCat("name the field of the text with --text-field; the line has: ", NamesOf(object)));
  }
  std::string_view text;
  if (field.get(text) != simdjson::SUCCESS) {
    ThrowBrokenLine(place, StrCat("the field \"", text_field_, "\" is no string"),
                    "correct or remove the line, or name another field with --text-field");
  }
  return text;
}

}  // namespace cadmus
