// JSON text for what the commands print.
#pragma once

#include <string>
#include <string_view>

namespace slipway::cli {

/// A JSON string literal, quotes included.
std::string json_text(std::string_view text);
/// A JSON number with 9 significant digits; "NaN", "Infinity" and "-Infinity" as string literals.
std::string json_number(double value);

}  // namespace slipway::cli
