// CropAndResize (com.microsoft), TensorFlow's: boxes cut out of images and brought to one size, corners aligned.
#include <cmath>

#include "ops/moves.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

struct CropAndResizeAttrs {
  float extrapolation_value = 0;
  std::string mode = "bilinear";  ///< bilinear | nearest
  bool operator==(const CropAndResizeAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("extrapolation_value", &CropAndResizeAttrs::extrapolation_value),
                      field("mode", &CropAndResizeAttrs::mode)};
  }
};

Status infer(InferContext& c) {
  const std::string& mode = c.attrs<CropAndResizeAttrs>().mode;
  if (mode != "bilinear" && mode != "nearest")
    return fail(ErrorCode::invalid_model, "mode is '{}'; bilinear or nearest is expected", mode);
  const Shape *x = c.shape(0), *boxes = c.shape(1), *images = c.shape(2);
  if (x != nullptr && x->size() != 4) return fail(ErrorCode::invalid_model, "X has {} axes; 4 are expected", x->size());
  Dim count = Dim::unknown();
  if (boxes != nullptr) {
    if (boxes->size() != 2) return fail(ErrorCode::invalid_model, "rois have {} axes; 2 are expected", boxes->size());
    TRY(same_extent((*boxes)[1], Dim(4), 1));
    count = (*boxes)[0];
  }
  if (images != nullptr) {
    if (images->size() != 1) return fail(ErrorCode::invalid_model, "batch_indices have {} axes; 1 is expected", images->size());
    count = TRY(same_extent(count, (*images)[0], 0));
  }
  Dim height = Dim::unknown(), width = Dim::unknown();
  if (const auto size = c.ints(3); size) {
    if (size->size() != 2 || (*size)[0] < 1 || (*size)[1] < 1 || (*size)[0] > kMaxElements || (*size)[1] > kMaxElements)
      return Error(ErrorCode::invalid_model, "crop_size must be two positive numbers");
    height = (*size)[0];
    width = (*size)[1];
  }
  const Shape out{count, x == nullptr ? Dim::unknown() : (*x)[1], height, width};
  TRY(check_size(out));
  c.set(0, c.type(0), out);
  return {};
}

/// Where pixel `at` of `count` lies between the ends of a box, in pixels of an axis: in single floats, as everywhere, since
/// `nearest` jumps.
double place(double from, double to, int64_t extent, int64_t count, int64_t at) {
  const auto first = static_cast<float>(from), end = static_cast<float>(to), last = static_cast<float>(extent - 1);
  if (count == 1) return static_cast<double>(0.5f * (first + end) * last);
  const float step = (end - first) * last / static_cast<float>(count - 1);
  return static_cast<double>(first * last + static_cast<float>(at) * step);
}

Status run(RefContext& c) {
  const auto& a = c.attrs<CropAndResizeAttrs>();
  const Dims yd = TRY(actual_dims(c)), xd = c.in(0).dims();
  const std::vector<double> x = c.doubles(0), boxes = c.doubles(1);
  const std::vector<int64_t> images = c.ints(2);
  const int64_t height = xd[2], width = xd[3];
  std::vector<double> y(static_cast<size_t>(yd.count()), static_cast<double>(a.extrapolation_value));
  for (int64_t n = 0; n < yd[0]; ++n) {
    const double* box = boxes.data() + n * 4;
    const int64_t image = images[static_cast<size_t>(n)];
    if (image < 0 || image >= xd[0]) return index_fault(image, xd[0], 0);
    for (int64_t i = 0; i < yd[2]; ++i) {
      const double row = place(box[0], box[2], height, yd[2], i);
      if (!(row >= 0 && row <= static_cast<double>(height - 1))) continue;
      for (int64_t k = 0; k < yd[3]; ++k) {
        const double column = place(box[1], box[3], width, yd[3], k);
        if (!(column >= 0 && column <= static_cast<double>(width - 1))) continue;
        for (int64_t ch = 0; ch < yd[1]; ++ch) {
          const auto pixel = [&](double r, double s) {
            return x[static_cast<size_t>(((image * xd[1] + ch) * height + static_cast<int64_t>(r)) * width +
                                         static_cast<int64_t>(s))];
          };
          double value = 0;
          if (a.mode == "nearest") {
            value = pixel(std::round(row), std::round(column));
          } else {
            const double down = row - std::floor(row), right = column - std::floor(column);
            const auto line = [&](double r) {
              return pixel(r, std::floor(column)) * (1 - right) + pixel(r, std::ceil(column)) * right;
            };
            value = line(std::floor(row)) * (1 - down) + line(std::ceil(row)) * down;
          }
          y[static_cast<size_t>(((n * yd[1] + ch) * yd[2] + i) * yd[3] + k)] = value;
        }
      }
    }
  }
  c.set_doubles(0, c.in(0).type(), yd, y);
  return {};
}

std::vector<Sample> samples() {
  const SampleInput x{sample::noise({2, 3, 5, 6})}, images{sample::numbers(E::i32, {3}, {1, 0, 1})},
      boxes{sample::floats({3, 4}, {0, 0, 1, 1, 0.2, 0.1, 0.7, 0.9, -0.3, 0.5, 1.2, 0.4})};
  const auto size = [](double h, double w) { return sample::constant(sample::numbers(E::i32, {2}, {h, w})); };
  const CropAndResizeAttrs nearest{.extrapolation_value = 7, .mode = "nearest"};
  return {{"bilinear", CropAndResizeAttrs{}, {x, boxes, images, size(4, 3)}},
          {"nearest", nearest, {x, boxes, images, size(2, 5)}},
          {"one_pixel", CropAndResizeAttrs{}, {x, boxes, images, size(1, 1)}}};
}

}  // namespace

OpFamily crop_and_resize() {
  return {Op("CropAndResize", {1}, "com.microsoft")
              .attrs<CropAndResizeAttrs>()
              .in("X", kFloat)
              .in("rois", kFloat)
              .in("batch_indices", types(E::i32), 'I')
              .in("crop_size", types(E::i32), 'I')
              .out("Y")
              .reads_value(3)
              .infer(infer)
              .reference(run)
              .samples(samples)
              .tolerance(Tolerance::rounding)
              .doc("Boxes [y1, x1, y2, x2] of images, each brought to one size.")};
}

}  // namespace slipway::ops
