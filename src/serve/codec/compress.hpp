// Content-Encoding: gzip and deflate, with a cap on what a body may grow to.
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"

namespace slipway::serve {

enum class Encoding : uint8_t { gzip, deflate };

/// deflate: with or without the zlib header, since clients disagree. Errors: invalid_argument (damaged), limit.
Result<std::string> decompress(std::string_view bytes, Encoding encoding, size_t max_bytes);
Result<std::string> compress(std::string_view bytes, Encoding encoding);

}  // namespace slipway::serve
