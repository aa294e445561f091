// UTF-8 text as code points, and their simple case mappings.
#pragma once

#include <locale.h>
#include <wctype.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace slipway::ops {

/// Reads one code point at `at` and moves on; a byte that is no UTF-8 comes back as 0xdc00 + byte.
inline char32_t next_code_point(std::string_view text, size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const int more = lead < 0x80                   ? 0
                   : lead >= 0xc2 && lead < 0xe0 ? 1
                   : lead >= 0xe0 && lead < 0xf0 ? 2
                   : lead >= 0xf0 && lead < 0xf5 ? 3
                                                 : -1;
  char32_t code = more <= 0 ? lead : lead & (0x3fu >> more);
  bool sound = more >= 0 && text.size() - at > static_cast<size_t>(std::max(more, 0));
  for (int i = 1; sound && i <= more; ++i) {
    const auto byte = static_cast<unsigned char>(text[at + static_cast<size_t>(i)]);
    sound = (byte & 0xc0) == 0x80;
    code = code << 6 | (byte & 0x3f);
  }
  constexpr char32_t kLeast[] = {0, 0x80, 0x800, 0x10000};
  sound = sound && code >= kLeast[more] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
  at += sound ? static_cast<size_t>(more) + 1 : 1;
  return sound ? code : 0xdc00u + lead;
}

inline void append_code_point(std::string& out, char32_t code) {
  if (code >= 0xdc80 && code <= 0xdcff) {
    out += static_cast<char>(code - 0xdc00);
  } else if (code < 0x80) {
    out += static_cast<char>(code);
  } else {
    const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    out += static_cast<char>((0xf0e0c0u >> (8 * (more - 1)) & 0xff) | code >> (6 * more));
    for (int i = more - 1; i >= 0; --i) out += static_cast<char>(0x80 | (code >> (6 * i) & 0x3f));
  }
}

namespace detail {
inline locale_t utf8_locale() {
  static const locale_t kLocale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return kLocale;
}
inline bool has_case(char32_t code) {
  return (code < 0xd800 || code > 0xdfff) && utf8_locale() != nullptr;
}
}  // namespace detail

/// Beyond ASCII by the system's C.UTF-8 locale; where there is none, those code points stay.
inline char32_t to_lower(char32_t code) {
  if (code < 0x80) return code >= 'A' && code <= 'Z' ? code + 32 : code;
  return detail::has_case(code) ? static_cast<char32_t>(towlower_l(static_cast<wint_t>(code), detail::utf8_locale())) : code;
}
inline char32_t to_upper(char32_t code) {
  if (code < 0x80) return code >= 'a' && code <= 'z' ? code - 32 : code;
  return detail::has_case(code) ? static_cast<char32_t>(towupper_l(static_cast<wint_t>(code), detail::utf8_locale())) : code;
}

}  // namespace slipway::ops
