#include "picture.hpp"

#include <algorithm>
#include <cmath>

#include "font.hpp"

void Picture::set(int x, int y, const uint8_t* colour) {
  if (x >= 0 && y >= 0 && x < width && y < height) std::copy(colour, colour + 3, const_cast<uint8_t*>(at(x, y)));
}

float Picture::sample(float x, float y, int c) const {
  const float cx = std::clamp(x, 0.0F, static_cast<float>(width - 1)), cy = std::clamp(y, 0.0F, static_cast<float>(height - 1));
  const int x0 = static_cast<int>(cx), y0 = static_cast<int>(cy);
  const int x1 = std::min(x0 + 1, width - 1), y1 = std::min(y0 + 1, height - 1);
  const float fx = cx - static_cast<float>(x0), fy = cy - static_cast<float>(y0);
  const float top = static_cast<float>(at(x0, y0)[c]) * (1 - fx) + static_cast<float>(at(x1, y0)[c]) * fx;
  const float bottom = static_cast<float>(at(x0, y1)[c]) * (1 - fx) + static_cast<float>(at(x1, y1)[c]) * fx;
  return top * (1 - fy) + bottom * fy;
}

void Picture::line(Point from, Point to, const uint8_t* colour) {
  const int steps = static_cast<int>(2 * std::max(std::abs(to.x - from.x), std::abs(to.y - from.y))) + 1;
  for (int i = 0; i <= steps; ++i) {
    const float t = static_cast<float>(i) / static_cast<float>(steps);
    const int x = static_cast<int>(from.x + (to.x - from.x) * t), y = static_cast<int>(from.y + (to.y - from.y) * t);
    for (const int d : {0, 1}) {
      set(x + d, y, colour);
      set(x, y + d, colour);
    }
  }
}

void Picture::text(Point left_top, float max_width, float max_height, const std::string& utf8, const uint8_t* colour) {
  std::vector<int> glyphs;
  for (const char c : utf8) {
    const int code = static_cast<uint8_t>(c);
    if ((code & 0xc0) != 0x80) glyphs.push_back(code >= 32 && code < 127 ? code - 32 : kGlyphs - 1);
  }
  const int columns = static_cast<int>(glyphs.size()) * kGlyphWidth;
  if (columns == 0) return;
  const float scale = std::min(max_height / kGlyphHeight, max_width / static_cast<float>(columns));
  const int out_width = static_cast<int>(static_cast<float>(columns) * scale),
            out_height = static_cast<int>(kGlyphHeight * scale);
  for (int y = 0; y < out_height; ++y) {
    for (int x = 0; x < out_width; ++x) {
      const int column = static_cast<int>((static_cast<float>(x) + 0.5F) / scale),
                row = static_cast<int>((static_cast<float>(y) + 0.5F) / scale);
      const uint16_t bits = kFont[glyphs[static_cast<size_t>(column / kGlyphWidth)]][row];
      if ((bits >> (column % kGlyphWidth) & 1) != 0)
        set(static_cast<int>(left_top.x) + x, static_cast<int>(left_top.y) + y, colour);
    }
  }
}
