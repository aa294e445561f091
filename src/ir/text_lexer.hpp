// Words of the text form. Private to text_parse.cpp.
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"

namespace slipway::ir {

struct Token {
  enum class Kind : uint8_t {
    end,
    punctuation,  ///< one character; "..." is one as well
    word,         ///< a bare identifier, "_" and "?" included
    number,       ///< begins with a digit, '+' or '-'
    text,         ///< in double quotes, escapes resolved
    value,        ///< %name
    label,        ///< @name
  };
  Kind kind = Kind::end;
  std::string text;
  size_t offset = 0;

  bool is(std::string_view punctuation_or_word) const {
    return (kind == Kind::punctuation || kind == Kind::word) && text == punctuation_or_word;
  }
};

/// Splits text into tokens, one at a time. Comments run from '#' to the end of the line.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}
  Result<Token> next();
  /// "line 3, column 7" of an offset.
  std::string position(size_t offset) const;

 private:
  Result<std::string> quoted_text();
  std::string_view name();

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace slipway::ir
