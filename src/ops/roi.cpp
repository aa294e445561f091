// RoiAlign and MaxRoiPool: fixed-size features of regions of an image.
#include <cmath>
#include <limits>

#include "ops/onnx_node.hpp"
#include "ops/op.hpp"
#include "ops/reference.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

struct RoiAlignAttrs {
  std::string coordinate_transformation_mode = "half_pixel";  ///< or output_half_pixel
  std::string mode = "avg";                                   ///< or max
  int64_t output_height = 1, output_width = 1;
  int64_t sampling_ratio = 0;  ///< samples per bin and axis; 0: by the size of the region
  float spatial_scale = 1.0f;
  bool operator==(const RoiAlignAttrs&) const = default;
  static constexpr auto fields() {
    using A = RoiAlignAttrs;
    return std::tuple{field("coordinate_transformation_mode", &A::coordinate_transformation_mode),
                      field("mode", &A::mode),
                      field("output_height", &A::output_height),
                      field("output_width", &A::output_width),
                      field("sampling_ratio", &A::sampling_ratio),
                      field("spatial_scale", &A::spatial_scale)};
  }
};

struct MaxRoiPoolAttrs {
  std::vector<int64_t> pooled_shape;
  float spatial_scale = 1.0f;
  bool operator==(const MaxRoiPoolAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("pooled_shape", &MaxRoiPoolAttrs::pooled_shape, true),
                      field("spatial_scale", &MaxRoiPoolAttrs::spatial_scale)};
  }
};

constexpr int64_t kLargestOutput = 1 << 16;
constexpr double kMostSamples = 1 << 10;

Status check(const RoiAlignAttrs& a) {
  if (a.coordinate_transformation_mode != "half_pixel" && a.coordinate_transformation_mode != "output_half_pixel") {
    return fail(ErrorCode::invalid_model,
                "coordinate_transformation_mode '{}' is not known; half_pixel or output_half_pixel is expected",
                a.coordinate_transformation_mode);
  }
  if (a.mode != "avg" && a.mode != "max")
    return fail(ErrorCode::invalid_model, "mode '{}' is not known; avg or max is expected", a.mode);
  if (a.output_height < 1 || a.output_width < 1 || a.output_height > kLargestOutput || a.output_width > kLargestOutput ||
      a.sampling_ratio < 0 || static_cast<double>(a.sampling_ratio) > kMostSamples) {
    return Error(ErrorCode::invalid_model, "output_height and output_width must be positive, sampling_ratio not negative");
  }
  return {};
}

Status check(const MaxRoiPoolAttrs& a) {
  const bool fits = a.pooled_shape.size() == 2 && a.pooled_shape[0] >= 1 && a.pooled_shape[1] >= 1 &&
                    a.pooled_shape[0] <= kLargestOutput && a.pooled_shape[1] <= kLargestOutput;
  if (!fits) return Error(ErrorCode::invalid_model, "pooled_shape must be two positive extents, height and width");
  return {};
}

Status infer_regions(InferContext& c, int64_t columns, int64_t height, int64_t width) {
  const Shape *x = c.shape(0), *rois = c.shape(1);
  if ((x != nullptr && x->size() != 4) ||
      (rois != nullptr && (rois->size() != 2 || ((*rois)[1].known() && (*rois)[1].value() != columns)))) {
    return fail(ErrorCode::invalid_model, "the input must be [N, C, H, W] and the regions [count, {}]", columns);
  }
  c.set(0, c.type(0), Shape{rois ? (*rois)[0] : Dim::unknown(), x ? (*x)[1] : Dim::unknown(), height, width});
  return {};
}

Status infer_align(InferContext& c) {
  const RoiAlignAttrs& a = c.attrs<RoiAlignAttrs>();
  TRY(check(a));
  return infer_regions(c, 4, a.output_height, a.output_width);
}
Status infer_max(InferContext& c) {
  const MaxRoiPoolAttrs& a = c.attrs<MaxRoiPoolAttrs>();
  TRY(check(a));
  return infer_regions(c, 5, a.pooled_shape[0], a.pooled_shape[1]);
}

Status check_inputs(const RefContext& c, int64_t columns) {
  const Dims x = c.in(0).dims(), rois = c.in(1).dims();
  if (x.rank() == 4 && rois.rank() == 2 && rois[1] == columns && x[2] > 0 && x[3] > 0) return {};
  return fail(ErrorCode::invalid_model, "the input must be [N, C, H, W] and the regions [count, {}]; here {} and {}", columns,
              to_string(x), to_string(rois));
}

/// The four neighbours of a point and their weights; none when it is outside by more than a pixel.
struct Corners {
  int64_t at[4] = {0, 0, 0, 0};
  double weight[4] = {0, 0, 0, 0};
};

Corners corners(double y, double x, int64_t height, int64_t width) {
  Corners out;
  if (!(y >= -1.0 && y <= static_cast<double>(height) && x >= -1.0 && x <= static_cast<double>(width))) return out;
  const auto split = [](double v, int64_t extent, int64_t& low, int64_t& high) {
    v = std::max(v, 0.0);
    low = static_cast<int64_t>(v);
    high = low + 1;
    if (low < extent - 1) return v - static_cast<double>(low);
    low = high = extent - 1;
    return 0.0;
  };
  int64_t y0, y1, x0, x1;
  const double fy = split(y, height, y0, y1), fx = split(x, width, x0, x1);
  const int64_t at[4] = {y0 * width + x0, y0 * width + x1, y1 * width + x0, y1 * width + x1};
  const double weight[4] = {(1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx};
  std::copy(at, at + 4, out.at);
  std::copy(weight, weight + 4, out.weight);
  return out;
}

double pooled(const std::vector<Corners>& points, const double* plane, bool average) {
  double sum = 0, most = -std::numeric_limits<double>::infinity();
  for (const Corners& p : points) {
    for (int k = 0; k < 4; ++k) {
      const double v = p.weight[k] * plane[p.at[k]];
      sum += v;
      most = std::max(most, v);
    }
  }
  if (average) return sum / static_cast<double>(std::max<size_t>(points.size(), 1));
  return points.empty() ? 0.0 : most;
}

Status run_align(RefContext& c) {
  const RoiAlignAttrs& a = c.attrs<RoiAlignAttrs>();
  TRY(check(a));
  TRY(check_inputs(c, 4));
  const Dims xd = c.in(0).dims();
  const int64_t count = c.in(1).dims()[0], channels = xd[1], height = xd[2], width = xd[3];
  const std::vector<double> x = c.doubles(0), rois = c.doubles(1);
  const std::vector<int64_t> images = c.ints(2);
  if (static_cast<int64_t>(images.size()) != count)
    return Error(ErrorCode::invalid_model, "batch_indices needs one element per region");
  const bool half_pixel = a.coordinate_transformation_mode == "half_pixel";
  const double offset = half_pixel ? 0.5 : 0.0, scale = static_cast<double>(a.spatial_scale);
  const Dims yd = {count, channels, a.output_height, a.output_width};
  std::vector<double> y(static_cast<size_t>(yd.count()));
  for (int64_t r = 0; r < count; ++r) {
    const int64_t image = images[static_cast<size_t>(r)];
    if (image < 0 || image >= xd[0])
      return fail(ErrorCode::data_fault, "batch index {} is outside the batch of {}", image, xd[0]);
    const double* roi = rois.data() + r * 4;
    const double x0 = roi[0] * scale - offset, y0 = roi[1] * scale - offset;
    double w = roi[2] * scale - offset - x0, h = roi[3] * scale - offset - y0;
    if (!half_pixel) w = std::max(w, 1.0), h = std::max(h, 1.0);
    const double bin_h = h / static_cast<double>(a.output_height), bin_w = w / static_cast<double>(a.output_width);
    const auto samples_of = [&](double bin) {
      return a.sampling_ratio > 0 ? a.sampling_ratio : bin > 0 ? static_cast<int64_t>(std::ceil(std::min(bin, kMostSamples))) : 0;
    };
    const int64_t grid_h = samples_of(bin_h), grid_w = samples_of(bin_w);
    for (int64_t oy = 0; oy < a.output_height; ++oy) {
      for (int64_t ox = 0; ox < a.output_width; ++ox) {
        std::vector<Corners> points;
        for (int64_t i = 0; i < grid_h * grid_w; ++i) {
          const double sy =
              y0 + bin_h * (static_cast<double>(oy) + (static_cast<double>(i / grid_w) + 0.5) / static_cast<double>(grid_h));
          const double sx =
              x0 + bin_w * (static_cast<double>(ox) + (static_cast<double>(i % grid_w) + 0.5) / static_cast<double>(grid_w));
          points.push_back(corners(sy, sx, height, width));
        }
        for (int64_t ch = 0; ch < channels; ++ch) {
          y[static_cast<size_t>(((r * channels + ch) * a.output_height + oy) * a.output_width + ox)] =
              pooled(points, x.data() + (image * channels + ch) * height * width, a.mode == "avg");
        }
      }
    }
  }
  c.set_doubles(0, c.in(0).type(), yd, y);
  return {};
}

/// The pixels [first, last) of bin `i` of `bins` over a region that starts at `start` and is `extent` long, within [0, limit).
std::pair<int64_t, int64_t> bin_range(int64_t i, int64_t bins, int64_t start, int64_t extent, int64_t limit) {
  const double size = static_cast<double>(extent) / static_cast<double>(bins);
  const auto first = start + static_cast<int64_t>(std::floor(static_cast<double>(i) * size));
  const auto last = start + static_cast<int64_t>(std::ceil(static_cast<double>(i + 1) * size));
  return {std::clamp<int64_t>(first, 0, limit), std::clamp<int64_t>(last, 0, limit)};
}

Status run_max(RefContext& c) {
  const MaxRoiPoolAttrs& a = c.attrs<MaxRoiPoolAttrs>();
  TRY(check(a));
  TRY(check_inputs(c, 5));
  const Dims xd = c.in(0).dims();
  const int64_t count = c.in(1).dims()[0], channels = xd[1], height = xd[2], width = xd[3], rows = a.pooled_shape[0],
                columns = a.pooled_shape[1];
  const std::vector<double> x = c.doubles(0), rois = c.doubles(1);
  std::vector<double> y(static_cast<size_t>(count * channels * rows * columns));
  size_t to = 0;
  for (int64_t r = 0; r < count; ++r) {
    const double* roi = rois.data() + r * 5;
    if (!(roi[0] >= 0 && roi[0] < static_cast<double>(xd[0]))) {
      return fail(ErrorCode::data_fault, "batch index {} is outside the batch of {}", roi[0], xd[0]);
    }
    int64_t edge[4];
    for (int k = 0; k < 4; ++k) {
      constexpr double kFar = 1 << 30;
      const double v = std::round(roi[k + 1] * static_cast<double>(a.spatial_scale));
      edge[k] = static_cast<int64_t>(std::isnan(v) ? 0.0 : std::clamp(v, -kFar, kFar));
    }
    const int64_t w = std::max<int64_t>(edge[2] - edge[0] + 1, 1), h = std::max<int64_t>(edge[3] - edge[1] + 1, 1);
    for (int64_t ch = 0; ch < channels; ++ch) {
      const double* plane = x.data() + (static_cast<int64_t>(roi[0]) * channels + ch) * height * width;
      for (int64_t i = 0; i < rows * columns; ++i) {
        const auto [top, bottom] = bin_range(i / columns, rows, edge[1], h, height);
        const auto [left, right] = bin_range(i % columns, columns, edge[0], w, width);
        double most = top < bottom && left < right ? -std::numeric_limits<double>::infinity() : 0.0;
        for (int64_t py = top; py < bottom; ++py) {
          for (int64_t px = left; px < right; ++px) most = std::max(most, plane[py * width + px]);
        }
        y[to++] = most;
      }
    }
  }
  c.set_doubles(0, c.in(0).type(), {count, channels, rows, columns}, y);
  return {};
}

/// Opset 10 had no coordinate mode: it sampled without the half-pixel shift.
Status upgrade_align(OnnxNode& node) {
  if (node.version < 16) node.attrs["coordinate_transformation_mode"] = std::string("output_half_pixel");
  return {};
}

std::vector<Sample> align_samples() {
  const auto make = [](std::string label, RoiAlignAttrs a) {
    a.output_height = 3;
    a.output_width = 2;
    return Sample{std::move(label),
                  std::move(a),
                  {{sample::noise({2, 3, 8, 9})},
                   {sample::floats({3, 4}, {0, 0, 7, 7, 1.5, 2, 5, 6.5, 3, 3, 20, 9})},
                   {sample::ints({0, 1, 0})}}};
  };
  return {make("half_pixel", {}), make("output_half_pixel", {.coordinate_transformation_mode = "output_half_pixel"}),
          make("max_of_samples", {.mode = "max", .sampling_ratio = 2}),
          make("scaled", {.sampling_ratio = 3, .spatial_scale = 0.5f})};
}

std::vector<Sample> max_samples() {
  const Tensor rois = sample::floats({3, 5}, {0, 0, 0, 7, 7, 1, 1, 2, 5, 6, 0, 3, 3, 20, 9});
  return {{"three_by_two", MaxRoiPoolAttrs{{3, 2}}, {{sample::noise({2, 3, 8, 9})}, {rois}}},
          {"scaled", MaxRoiPoolAttrs{{2, 2}, 0.5f}, {{sample::noise({2, 17, 6, 6})}, {rois}}}};
}

}  // namespace

OpFamily roi() {
  return {
      Op("RoiAlign", {10, 16, 22})
          .attrs<RoiAlignAttrs>()
          .in("X", kFloat)
          .in("rois", kFloat)
          .in("batch_indices", types(E::i64), 'I')
          .out("Y")
          .infer(infer_align)
          .reference(run_align)
          .samples(align_samples)
          .upgrade(upgrade_align)
          .tolerance(Tolerance::rounding)
          .doc("Regions sampled bilinearly into a fixed size"),
      Op("MaxRoiPool", {1, 22})
          .attrs<MaxRoiPoolAttrs>()
          .in("X", kFloat)
          .in("rois", kFloat)
          .out("Y")
          .infer(infer_max)
          .reference(run_max)
          .samples(max_samples)
          .doc("The largest element of every bin of a region"),
  };
}

}  // namespace slipway::ops
