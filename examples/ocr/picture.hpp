// 8-bit RGB pictures: reading PNG and JPEG, writing PNG, drawing lines and text.
#pragma once

#include <cstdint>
#include <slipway/result.hpp>
#include <string>
#include <vector>

struct Point {
  float x, y;
};

struct Picture {
  int width = 0, height = 0;
  std::vector<uint8_t> rgb;  ///< rows from the top, three bytes a pixel

  Picture() = default;
  Picture(int w, int h, uint8_t fill = 255)
      : width(w), height(h), rgb(static_cast<size_t>(w) * static_cast<size_t>(h) * 3, fill) {}
  const uint8_t* at(int x, int y) const {
    return &rgb[(static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x)) * 3];
  }
  void set(int x, int y, const uint8_t* colour);
  /// The colour of channel c between pixel centres, clamped at the edges.
  float sample(float x, float y, int c) const;
  void line(Point from, Point to, const uint8_t* colour);
  /// ASCII text (other characters as a square) as large as it fits between `left_top` and the extents.
  void text(Point left_top, float max_width, float max_height, const std::string& utf8, const uint8_t* colour);
};

slipway::Result<Picture> read_picture(const std::string& path);
slipway::Status write_png(const Picture& picture, const std::string& path);
