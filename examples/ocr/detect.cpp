#include "detect.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace {

constexpr int kLongestSide = 960;        ///< larger pictures are made smaller for the detector
constexpr float kPixelThreshold = 0.3F;  ///< probability of text
constexpr float kBoxThreshold = 0.5F;    ///< mean probability of a region
constexpr float kUnclip = 1.6F;          ///< the detector marks the core of a line; boxes grow by area * this / perimeter
constexpr float kMinSide = 3;

int multiple_of_32(float side) {
  return std::max(32, static_cast<int>(std::lround(side / 32)) * 32);
}

/// BGR planes, normalised as in the model's training.
std::vector<float> planes(const Picture& picture, int width, int height) {
  constexpr float kMean[] = {0.485F, 0.456F, 0.406F}, kDeviation[] = {0.229F, 0.224F, 0.225F};
  std::vector<float> out(static_cast<size_t>(3 * width) * static_cast<size_t>(height));
  const float sx = static_cast<float>(picture.width) / static_cast<float>(width);
  const float sy = static_cast<float>(picture.height) / static_cast<float>(height);
  float* to = out.data();
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        const float v =
            picture.sample((static_cast<float>(x) + 0.5F) * sx - 0.5F, (static_cast<float>(y) + 0.5F) * sy - 0.5F, 2 - c);
        *to++ = (v / 255 - kMean[c]) / kDeviation[c];
      }
    }
  }
  return out;
}

float cross(Point o, Point a, Point b) {
  return (a.x - o.x) * (b.y - o.y) - (a.y - o.y) * (b.x - o.x);
}

/// Convex hull by the monotone chain.
std::vector<Point> hull(std::vector<Point> points) {
  std::sort(points.begin(), points.end(), [](Point a, Point b) { return a.x != b.x ? a.x < b.x : a.y < b.y; });
  std::vector<Point> out;
  for (int pass = 0; pass < 2; ++pass) {
    const size_t start = out.size();
    for (const Point p : points) {
      while (out.size() >= start + 2 && cross(out[out.size() - 2], out.back(), p) <= 0) out.pop_back();
      out.push_back(p);
    }
    out.pop_back();
    std::reverse(points.begin(), points.end());
  }
  return out;
}

/// The smallest rectangle around the hull, grown by the unclip rule; empty when it is too thin.
std::vector<Box> around(const std::vector<Point>& corners) {
  float least = std::numeric_limits<float>::max();
  Point u{}, low{}, high{};
  for (size_t i = 0; i < corners.size(); ++i) {
    const Point a = corners[i], b = corners[(i + 1) % corners.size()];
    const float length = std::hypot(b.x - a.x, b.y - a.y);
    Point d{(b.x - a.x) / length, (b.y - a.y) / length};
    if (std::abs(d.y) > std::abs(d.x)) d = {d.y, -d.x};
    if (d.x < 0) d = {-d.x, -d.y};
    constexpr float kHuge = std::numeric_limits<float>::max();
    Point lo{kHuge, kHuge}, hi{-kHuge, -kHuge};
    for (const Point p : corners) {
      const float along = p.x * d.x + p.y * d.y, across = p.y * d.x - p.x * d.y;
      lo = {std::min(lo.x, along), std::min(lo.y, across)};
      hi = {std::max(hi.x, along), std::max(hi.y, across)};
    }
    const float area = (hi.x - lo.x + 1) * (hi.y - lo.y + 1);
    if (area < least) {
      least = area;
      u = d;
      low = lo;
      high = hi;
    }
  }
  const float width = high.x - low.x + 1, height = high.y - low.y + 1;
  if (std::min(width, height) < kMinSide) return {};
  const float grow = width * height * kUnclip / (2 * (width + height)) + 0.5F;
  const auto corner = [&](float along, float across) { return Point{along * u.x - across * u.y, along * u.y + across * u.x}; };
  low = {low.x - grow, low.y - grow};
  high = {high.x + grow, high.y + grow};
  Box box = {corner(low.x, low.y), corner(high.x, low.y), corner(high.x, high.y), corner(low.x, high.y)};
  if (height > 1.5F * width) std::rotate(box.begin(), box.begin() + 1, box.end());  // upright text lies on its side
  return {box};
}

/// One box for each connected region of text, in pixels of the map.
std::vector<Box> regions(std::span<const float> map, int width, int height) {
  std::vector<Box> out;
  std::vector<bool> seen(map.size());
  std::vector<int> queue;
  for (int start = 0; start < width * height; ++start) {
    if (seen[static_cast<size_t>(start)] || map[static_cast<size_t>(start)] <= kPixelThreshold) continue;
    queue.assign(1, start);
    seen[static_cast<size_t>(start)] = true;
    std::vector<Point> points;
    float sum = 0;
    for (size_t next = 0; next < queue.size(); ++next) {
      const int x = queue[next] % width, y = queue[next] / width;
      points.push_back({static_cast<float>(x), static_cast<float>(y)});
      sum += map[static_cast<size_t>(queue[next])];
      for (int ny = std::max(0, y - 1); ny <= std::min(height - 1, y + 1); ++ny) {
        for (int nx = std::max(0, x - 1); nx <= std::min(width - 1, x + 1); ++nx) {
          const int there = ny * width + nx;
          const auto at = static_cast<size_t>(there);
          if (seen[at] || map[at] <= kPixelThreshold) continue;
          seen[at] = true;
          queue.push_back(there);
        }
      }
    }
    if (sum < kBoxThreshold * static_cast<float>(points.size())) continue;
    const std::vector<Point> corners = hull(std::move(points));
    if (corners.size() < 3) continue;
    for (const Box& box : around(corners)) out.push_back(box);
  }
  return out;
}

/// From top to bottom; boxes whose left tops lie within half a line of height go from left to right.
void sort_for_reading(std::vector<Box>& boxes) {
  std::sort(boxes.begin(), boxes.end(), [](const Box& a, const Box& b) { return a[0].y < b[0].y; });
  for (auto row = boxes.begin(); row != boxes.end();) {
    const float limit = (*row)[0].y + std::abs((*row)[3].y - (*row)[0].y) / 2;
    const auto end = std::find_if(row, boxes.end(), [&](const Box& b) { return b[0].y > limit; });
    std::sort(row, end, [](const Box& a, const Box& b) { return a[0].x < b[0].x; });
    row = end;
  }
}

}  // namespace

slipway::Result<std::vector<Box>> detect(slipway::Session& detector, const Picture& picture) {
  const float scale =
      std::min(1.0F, static_cast<float>(kLongestSide) / static_cast<float>(std::max(picture.width, picture.height)));
  const int width = multiple_of_32(static_cast<float>(picture.width) * scale);
  const int height = multiple_of_32(static_cast<float>(picture.height) * scale);
  const std::vector<float> input = planes(picture, width, height);
  const slipway::TensorView view(input, {1, 3, height, width});
  const auto outputs = detector.run({&view, 1});
  if (!outputs) return outputs.error();
  const slipway::TensorView& map = outputs->front();
  if (map.as<float>().size() != static_cast<size_t>(width) * static_cast<size_t>(height)) {
    return slipway::Error{SLIPWAY_INVALID_MODEL, "the detector does not make one probability a pixel"};
  }
  std::vector<Box> boxes = regions(map.as<float>(), width, height);
  for (Box& box : boxes) {
    for (Point& p : box) {
      p.x = (p.x + 0.5F) * static_cast<float>(picture.width) / static_cast<float>(width);
      p.y = (p.y + 0.5F) * static_cast<float>(picture.height) / static_cast<float>(height);
    }
  }
  sort_for_reading(boxes);
  return boxes;
}
