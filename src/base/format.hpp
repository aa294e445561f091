// Text formatting (fmt) and the short way to make an Error with a formatted sentence.
#pragma once

#include <fmt/core.h>

#include "base/error.hpp"

namespace slipway {

template <class... Args>
Error fail(ErrorCode code, fmt::format_string<Args...> text, Args&&... args) {
  return Error(code, fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace slipway
