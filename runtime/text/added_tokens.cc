// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/added_tokens.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "runtime/text/unicode.h"
#include "runtime/text/utf8.h"

namespace cadmus {
namespace {

// The character before text[at]; nothing at the start and after a byte that is not valid UTF-8.
std::optional<Utf8Character> CharacterBefore(std::string_view text, size_t at) {
  for (size_t size = 1; size <= std::min<size_t>(4, at); ++size) {
    if (!IsValidUtf8(text.substr(at - size, size))) continue;
    return CharacterAt(text, at - size);
  }
  return std::nullopt;
}

std::optional<Utf8Character> CharacterAfter(std::string_view text, size_t at) {
  for (size_t size = 1; size <= std::min<size_t>(4, text.size() - at); ++size) {
    if (IsValidUtf8(text.substr(at, size))) return CharacterAt(text, at);
  }
  return std::nullopt;
}

bool StandsAlone(std::string_view text, size_t begin, size_t end) {
  const auto before = CharacterBefore(text, begin);
  const auto after = CharacterAfter(text, end);
  return !(before && IsWordCharacter(before->code_point)) &&
         !(after && IsWordCharacter(after->code_point));
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<Name> names) : names_(std::move(names)) {
  std::ranges::sort(names_, {}, &Name::text);
  for (const Name& name : names_) {
    if (first_bytes_.find(name.text[0]) == std::string::npos) first_bytes_.push_back(name.text[0]);
  }
}

const AddedTokenMatcher::Name* AddedTokenMatcher::LongestNameAt(std::string_view text,
                                                                size_t at) const {
  const Name* longest = nullptr;
  auto begin = names_.begin();
  auto end = names_.end();
  // The names that start like the text, narrowed byte by byte.
  for (size_t size = 0; at + size < text.size() && begin != end; ++size) {
    const auto byte = static_cast<unsigned char>(text[at + size]);
    const auto byte_of = [&](const Name& name) {
      return size < name.text.size() ? static_cast<unsigned char>(name.text[size]) : -1;
    };
    std::tie(begin, end) =
        std::pair(std::ranges::lower_bound(begin, end, static_cast<int>(byte), {}, byte_of),
                  std::ranges::upper_bound(begin, end, static_cast<int>(byte), {}, byte_of));
    if (begin != end && begin->text.size() == size + 1) longest = &*begin;
  }
  return longest;
}

void AddedTokenMatcher::ForEachPart(
    std::string_view text,
    const std::function<void(std::string_view, std::optional<int32_t>)>& visit) const {
  size_t done = 0;
  for (size_t at = text.find_first_of(first_bytes_); at < text.size();
       at = text.find_first_of(first_bytes_, at)) {
    const Name* name = LongestNameAt(text, at);
    if (name == nullptr) {
      ++at;
      continue;
    }
    size_t begin = at;
    size_t end = at + name->text.size();
    at = end;
    if (name->token.single_word && !StandsAlone(text, begin, end)) continue;
    if (name->token.lstrip) {
      while (begin > done) {
        const auto before = CharacterBefore(text.substr(done), begin - done);
        if (!before || !IsWhiteSpace(before->code_point)) break;
        begin -= before->size;
      }
    }
    if (name->token.rstrip) {
      while (end < text.size()) {
        const auto after = CharacterAfter(text, end);
        if (!after || !IsWhiteSpace(after->code_point)) break;
        end += after->size;
      }
      at = end;
    }
    if (begin > done) visit(text.substr(done, begin - done), std::nullopt);
    visit(text.substr(begin, end - begin), name->token.id);
    done = end;
  }
  if (done < text.size()) visit(text.substr(done), std::nullopt);
}

}  // namespace cadmus
