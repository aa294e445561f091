// The small words of the text form: which names stand bare, how others are quoted.
#pragma once

#include <string>
#include <string_view>

namespace slipway::ir {

/// Letters, digits and "_./$-", and ':' inside.
bool is_name_char(char c);
/// True when `name` stands after '%' or '@' without quotes.
bool is_plain_name(std::string_view name);
/// As above, and it does not look like a number: a symbol or a graph's name.
bool is_identifier(std::string_view name);
/// In double quotes; quotes, backslashes and control characters escaped.
std::string quoted(std::string_view text);
/// Bare when `is_identifier`, else quoted.
std::string identifier_or_quoted(std::string_view name);

}  // namespace slipway::ir
