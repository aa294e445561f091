#include "ir/text_lexer.hpp"

#include <algorithm>

#include "base/format.hpp"
#include "ir/lexical.hpp"

namespace slipway::ir {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

int hex(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string Lexer::position(size_t offset) const {
  const std::string_view before = text_.substr(0, offset);
  const size_t start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  return fmt::format("line {}, column {}", 1 + std::count(before.begin(), before.end(), '\n'), 1 + before.size() - start);
}

Result<std::string> Lexer::quoted_text() {
  const size_t start = at_++;
  std::string out;
  for (; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    if (c == '"') return ++at_, out;
    if (c == '\n') break;
    if (c != '\\') {
      out += c;
      continue;
    }
    const char escape = ++at_ < text_.size() ? text_[at_] : '\0';
    if (escape == 'n') {
      out += '\n';
    } else if (escape == 't') {
      out += '\t';
    } else if (escape == '"' || escape == '\\') {
      out += escape;
    } else if (escape == 'x' && at_ + 2 < text_.size() && hex(text_[at_ + 1]) >= 0 && hex(text_[at_ + 2]) >= 0) {
      out += static_cast<char>(16 * hex(text_[at_ + 1]) + hex(text_[at_ + 2]));
      at_ += 2;
    } else {
      return fail(ErrorCode::invalid_model, "{}: unknown escape in a quoted text", position(at_));
    }
  }
  return fail(ErrorCode::invalid_model, "{}: the quoted text has no end", position(start));
}

std::string_view Lexer::name() {
  const size_t start = at_;
  while (at_ < text_.size() && (is_name_char(text_[at_]) ||
                                (text_[at_] == ':' && at_ > start && at_ + 1 < text_.size() && is_name_char(text_[at_ + 1])))) {
    ++at_;
  }
  return text_.substr(start, at_ - start);
}

Result<Token> Lexer::next() {
  while (at_ < text_.size() && (is_space(text_[at_]) || text_[at_] == '#')) {
    at_ = text_[at_] == '#' ? std::min(text_.find('\n', at_), text_.size()) : at_ + 1;
  }
  Token token;
  token.offset = at_;
  if (at_ == text_.size()) return token;
  const char c = text_[at_];
  if (c == '"') {
    token.kind = Token::Kind::text;
    token.text = TRY(quoted_text());
  } else if (c == '%' || c == '@') {
    token.kind = c == '%' ? Token::Kind::value : Token::Kind::label;
    ++at_;
    token.text = at_ < text_.size() && text_[at_] == '"' ? TRY(quoted_text()) : std::string(name());
    if (token.text.empty()) return fail(ErrorCode::invalid_model, "{}: a name is missing after '{}'", position(token.offset), c);
  } else if (is_digit(c) || c == '-' || c == '+') {
    token.kind = Token::Kind::number;
    const size_t start = at_++;
    while (at_ < text_.size() && (is_name_char(text_[at_]) || text_[at_] == '+')) ++at_;
    token.text = text_.substr(start, at_ - start);
  } else if (text_.substr(at_, 3) == "...") {
    token.kind = Token::Kind::punctuation;
    token.text = "...";
    at_ += 3;
  } else if (c == '?' || !is_name_char(c)) {
    token.kind = c == '?' ? Token::Kind::word : Token::Kind::punctuation;
    token.text = c;
    ++at_;
  } else {
    token.kind = Token::Kind::word;
    token.text = name();
  }
  return token;
}

}  // namespace slipway::ir
