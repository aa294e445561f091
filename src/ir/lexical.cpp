#include "ir/lexical.hpp"

#include <algorithm>

#include "base/format.hpp"

namespace slipway::ir {
namespace {

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

bool is_name_char(char c) {
  return is_letter(c) || is_digit(c) || std::string_view("_./$-").find(c) != std::string_view::npos;
}

bool is_plain_name(std::string_view name) {
  return !name.empty() && name.front() != ':' && name.back() != ':' && name.find("::") == std::string_view::npos &&
         std::all_of(name.begin(), name.end(), [](char c) { return c == ':' || is_name_char(c); });
}

bool is_identifier(std::string_view name) {
  return is_plain_name(name) && (is_letter(name.front()) || (name.front() == '_' && name.size() > 1));
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string identifier_or_quoted(std::string_view name) {
  return is_identifier(name) ? std::string(name) : quoted(name);
}

}  // namespace slipway::ir
