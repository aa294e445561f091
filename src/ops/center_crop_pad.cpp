// CenterCropPad: axes cut or filled up evenly on both sides.
#include "ops/op.hpp"
#include "ops/reference.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

constexpr int64_t kLargestExtent = int64_t{1} << 40;

struct CenterCropPadAttrs {
  std::vector<int64_t> axes;  ///< empty: all
  bool operator==(const CenterCropPadAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("axes", &CenterCropPadAttrs::axes)}; }
};

Result<std::vector<int>> affected_axes(const CenterCropPadAttrs& a, int rank) {
  std::vector<int> out;
  for (int i = 0; a.axes.empty() && i < rank; ++i) out.push_back(i);
  for (const int64_t axis : a.axes) out.push_back(TRY(normalize_axis(axis, rank)));
  return out;
}

Status check_extents(std::span<const int64_t> extents, size_t axes) {
  if (extents.size() != axes)
    return fail(ErrorCode::invalid_model, "shape has {} elements where {} axes are meant", extents.size(), axes);
  for (const int64_t e : extents) {
    if (e < 0 || e > kLargestExtent) return fail(ErrorCode::invalid_model, "shape has the value {}", e);
  }
  return {};
}

Status infer(InferContext& c) {
  c.set(0, c.type(0));
  if (c.shape(0) == nullptr) return {};
  Shape y = *c.shape(0);
  const std::vector<int> axes = TRY(affected_axes(c.attrs<CenterCropPadAttrs>(), static_cast<int>(y.size())));
  const auto extents = c.ints(1);
  if (extents) TRY(check_extents(*extents, axes.size()));
  for (size_t k = 0; k < axes.size(); ++k) y[static_cast<size_t>(axes[k])] = extents ? Dim((*extents)[k]) : Dim::unknown();
  c.set(0, c.type(0), std::move(y));
  return {};
}

Status run(RefContext& c) {
  const Tensor& x = c.in(0);
  const Dims xd = x.dims();
  const std::vector<int> axes = TRY(affected_axes(c.attrs<CenterCropPadAttrs>(), xd.rank()));
  const std::vector<int64_t> extents = c.ints(1);
  TRY(check_extents(extents, axes.size()));
  Dims yd = xd, common = xd;
  for (size_t k = 0; k < axes.size(); ++k) yd[axes[k]] = extents[k];
  const Dims x_steps = xd.strides(), y_steps = yd.strides();
  int64_t x_from = 0, y_from = 0;
  for (int i = 0; i < xd.rank(); ++i) {
    common[i] = std::min(xd[i], yd[i]);
    x_from += std::max<int64_t>(xd[i] - yd[i], 0) / 2 * x_steps[i];
    y_from += std::max<int64_t>(yd[i] - xd[i], 0) / 2 * y_steps[i];
  }
  Tensor y(x.type(), yd);
  walk<2>(common, {x_steps, y_steps},
          [&](int64_t, const std::array<int64_t, 2>& at) { copy_element(y, y_from + at[1], x, x_from + at[0]); });
  c.set(0, Value(std::move(y)));
  return {};
}

std::vector<Sample> samples() {
  const auto make = [](std::string label, std::vector<int64_t> axes, Tensor x, std::initializer_list<int64_t> shape) {
    return Sample{std::move(label), CenterCropPadAttrs{std::move(axes)}, {{std::move(x)}, sample::constant(sample::ints(shape))}};
  };
  return {make("crop", {}, sample::counting({5, 7}), {2, 4}), make("pad", {}, sample::counting({2, 3}), {5, 6}),
          make("both", {}, sample::counting(E::i32, {5, 2}), {2, 5}), make("axes", {-1, 0}, sample::counting({3, 4, 5}), {7, 2}),
          make("strings", {}, sample::counting(E::string, {3}), {5})};
}

}  // namespace

OpFamily center_crop_pad() {
  return {Op("CenterCropPad", {18})
              .attrs<CenterCropPadAttrs>()
              .in("input_data", kNumeric | kString | kBool | kComplex)
              .in("shape", kIndex, 'I')
              .out("output_data")
              .reads_value(1)
              .infer(infer)
              .reference(run)
              .samples(samples)
              .doc("Axes cropped or zero-padded evenly to the given extents")};
}

}  // namespace slipway::ops
