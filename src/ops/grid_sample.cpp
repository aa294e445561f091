// GridSample and AffineGrid: sampling a tensor at arbitrary places, and the regular grids to do it with.
#include <cmath>

#include "ops/complex_parts.hpp"
#include "ops/function.hpp"
#include "ops/onnx_node.hpp"
#include "ops/op.hpp"
#include "ops/reference.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

constexpr TypeSet kSampled = kNumeric | kString | kBool | kComplex;
constexpr int64_t kLargestExtent = int64_t{1} << 40;

struct GridSampleAttrs {
  bool align_corners = false;
  std::string mode = "linear";         ///< nearest | linear | cubic
  std::string padding_mode = "zeros";  ///< zeros | border | reflection
  bool operator==(const GridSampleAttrs&) const = default;
  static constexpr auto fields() {
    using A = GridSampleAttrs;
    return std::tuple{field("align_corners", &A::align_corners), field("mode", &A::mode),
                      field("padding_mode", &A::padding_mode)};
  }
};

struct AffineGridAttrs {
  bool align_corners = false;
  bool operator==(const AffineGridAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("align_corners", &AffineGridAttrs::align_corners)}; }
};

Status check(const GridSampleAttrs& a) {
  if (a.mode != "nearest" && a.mode != "linear" && a.mode != "cubic") {
    return fail(ErrorCode::invalid_model, "mode is '{}'; nearest, linear or cubic is expected", a.mode);
  }
  if (a.padding_mode != "zeros" && a.padding_mode != "border" && a.padding_mode != "reflection") {
    return fail(ErrorCode::invalid_model, "padding_mode is '{}'; zeros, border or reflection is expected", a.padding_mode);
  }
  return {};
}

Status infer_sample(InferContext& c) {
  TRY(check(c.attrs<GridSampleAttrs>()));
  const Shape *x = c.shape(0), *grid = c.shape(1);
  c.set(0, c.type(0));
  if (x == nullptr && grid == nullptr) return {};
  const size_t rank = x != nullptr ? x->size() : grid->size();
  if (rank < 3 || (x != nullptr && grid != nullptr && x->size() != grid->size())) {
    return Error(ErrorCode::invalid_model, "X must be [N, C, space...] and the grid [N, space..., rank of space]");
  }
  if (grid != nullptr && grid->back().known() && grid->back().value() != static_cast<int64_t>(rank) - 2) {
    return fail(ErrorCode::invalid_model, "the grid has {} coordinates where {} spatial axes are", grid->back().value(),
                rank - 2);
  }
  Shape y(rank, Dim::unknown());
  if (x != nullptr) y[0] = (*x)[0], y[1] = (*x)[1];
  if (grid != nullptr) std::copy(grid->begin() + 1, grid->end() - 1, y.begin() + 2);
  c.set(0, c.type(0), std::move(y));
  return {};
}

/// v mirrored at the borders until it lies between them.
double reflected(double v, double low, double high) {
  const double span = high - low;
  if (span <= 0) return low;
  const double from = v < low ? low - v : v > high ? v - high : 0.0;
  if (from == 0) return v;
  const double turns = std::floor(from / span), rest = from - turns * span;
  const bool even = std::fmod(turns, 2.0) == 0;
  return (v < low) == even ? low + rest : high - rest;
}

struct Axis {
  int64_t extent;
  double low, high;  ///< where reflection turns back
};

/// The input coordinate of a normalised one, brought inside as the padding mode says.
double coordinate(const GridSampleAttrs& a, const Axis& axis, double normalised) {
  constexpr double kFar = 1e9;
  const auto extent = static_cast<double>(axis.extent);
  double v = a.align_corners ? (normalised + 1) / 2 * (extent - 1) : ((normalised + 1) * extent - 1) / 2;
  v = std::isnan(v) ? -kFar : std::clamp(v, -kFar, kFar);
  if (a.mode == "nearest") v = std::nearbyint(v);
  if (v >= axis.low && v <= axis.high) return v;
  if (a.padding_mode == "border") return std::clamp(v, 0.0, extent - 1);
  return a.padding_mode == "reflection" ? reflected(v, axis.low, axis.high) : v;
}

/// A position made valid as the padding mode says; -1: the element counts as zero.
int64_t position(const GridSampleAttrs& a, const Axis& axis, int64_t i) {
  if (i >= 0 && i < axis.extent) return i;
  if (a.padding_mode == "zeros") return -1;
  if (a.padding_mode == "border") return std::clamp<int64_t>(i, 0, axis.extent - 1);
  return std::clamp<int64_t>(static_cast<int64_t>(reflected(static_cast<double>(i), axis.low, axis.high)), 0, axis.extent - 1);
}

struct Tap {
  int64_t from;  ///< -1: zero
  double weight;
};

double cubic_weight(double t) {
  constexpr double A = -0.75;
  t = std::fabs(t);
  if (t <= 1) return ((A + 2) * t - (A + 3)) * t * t + 1;
  return t < 2 ? ((A * t - 5 * A) * t + 8 * A) * t - 4 * A : 0.0;
}

std::vector<Tap> axis_taps(const GridSampleAttrs& a, const Axis& axis, double v) {
  const auto floor = static_cast<int64_t>(std::floor(v));
  const double t = v - std::floor(v);
  std::vector<Tap> taps;
  if (a.mode == "nearest") {
    taps = {{static_cast<int64_t>(v), 1.0}};
  } else if (a.mode == "linear") {
    taps = {{floor, 1 - t}, {floor + 1, t}};
  } else {
    for (int64_t k = -1; k <= 2; ++k) taps.push_back({floor + k, cubic_weight(static_cast<double>(k) - t)});
  }
  for (Tap& tap : taps) tap.from = position(a, axis, tap.from);
  return taps;
}

/// The taps of one sampled point: products over the axes. `point` is in x, y, z order, the axes are outermost first.
std::vector<Tap> point_taps(const GridSampleAttrs& a, const std::vector<Axis>& axes, const double* point) {
  std::vector<Tap> out = {{0, 1.0}};
  for (size_t i = 0; i < axes.size(); ++i) {
    std::vector<Tap> next;
    for (const Tap& along : axis_taps(a, axes[i], coordinate(a, axes[i], point[axes.size() - 1 - i]))) {
      for (const Tap& before : out) {
        const bool zero = along.from < 0 || before.from < 0;
        next.push_back({zero ? -1 : before.from * axes[i].extent + along.from, before.weight * along.weight});
      }
    }
    out = std::move(next);
  }
  return out;
}

Status run_sample(RefContext& c) {
  const GridSampleAttrs& a = c.attrs<GridSampleAttrs>();
  TRY(check(a));
  const Tensor &x = c.in(0), &grid = c.in(1);
  const Dims xd = x.dims(), gd = grid.dims();
  if (xd.rank() < 3 || gd.rank() != xd.rank() || gd[0] != xd[0] || gd.back() != xd.rank() - 2 || xd.count(2, xd.rank()) == 0) {
    return fail(ErrorCode::invalid_model, "X of shape {} and a grid of shape {} do not fit", to_string(xd), to_string(gd));
  }
  std::vector<Axis> axes;
  for (int i = 2; i < xd.rank(); ++i) {
    const auto extent = static_cast<double>(xd[i]);
    axes.push_back({xd[i], a.align_corners ? 0.0 : -0.5, a.align_corners ? extent - 1 : extent - 0.5});
  }
  const bool moves = contains(kString | kComplex | kBool, x.type()) && a.mode == "nearest", number = !moves;
  if (number && x.type() == E::string)
    return Error(ErrorCode::invalid_model, "strings cannot be interpolated; mode nearest is expected");
  if (number && contains(kComplex, x.type())) return by_parts(c, [](RefContext& part, int64_t) { return run_sample(part); });
  Dims yd = {xd[0], xd[1]};
  for (int i = 1; i + 1 < gd.rank(); ++i) yd.push_back(gd[i]);
  const int64_t points = yd.count(2, yd.rank()), plane = xd.count(2, xd.rank()), channels = xd[1];
  const std::vector<double> places = c.doubles(1), values = number ? c.doubles(0) : std::vector<double>();
  std::vector<double> sums(number ? static_cast<size_t>(yd.count()) : 0);
  Tensor y = c.out(0, x.type(), yd);
  for (int64_t n = 0; n < xd[0]; ++n) {
    for (int64_t p = 0; p < points; ++p) {
      const std::vector<Tap> taps = point_taps(a, axes, places.data() + (n * points + p) * gd.back());
      for (int64_t ch = 0; ch < channels; ++ch) {
        const int64_t base = (n * channels + ch) * plane, to = (n * channels + ch) * points + p;
        for (const Tap& t : taps) {
          if (t.from < 0) continue;
          if (number) {
            sums[static_cast<size_t>(to)] += t.weight * values[static_cast<size_t>(base + t.from)];
          } else {
            copy_element(y, to, x, base + t.from);
          }
        }
      }
    }
  }
  if (number) c.set_doubles(0, x.type(), yd, sums);
  return {};
}

/// Opset 16 and com.microsoft name the modes after two dimensions.
std::string mode_of_images(const std::string& mode) {
  return mode == "bilinear" ? "linear" : mode == "bicubic" ? "cubic" : mode;
}

Status upgrade_sample(OnnxNode& node) {
  if (node.version < 20) node.attrs["mode"] = mode_of_images(node.take_string("mode", "bilinear"));
  return {};
}

/// GridSample of com.microsoft.
struct ImageSampleAttrs {
  bool align_corners = false;
  std::string mode = "bilinear", padding_mode = "zeros";
  bool operator==(const ImageSampleAttrs&) const = default;
  static constexpr auto fields() {
    using A = ImageSampleAttrs;
    return std::tuple{field("align_corners", &A::align_corners), field("mode", &A::mode),
                      field("padding_mode", &A::padding_mode)};
  }
};

void image_body(FunctionBody& b) {
  const auto& at = b.attrs<ImageSampleAttrs>();
  const GridSampleAttrs same{.align_corners = at.align_corners, .mode = mode_of_images(at.mode), .padding_mode = at.padding_mode};
  b.set(0, b.node("GridSample", same, {b.in(0), b.in(1)}));
}

std::vector<Sample> image_samples() {
  const SampleInput x{sample::noise({1, 2, 4, 5})}, grid{sample::random({1, 3, 2, 2}, -1.2, 1.2, 2)};
  return {{"bilinear", ImageSampleAttrs{}, {x, grid}},
          {"bicubic", ImageSampleAttrs{.align_corners = true, .mode = "bicubic", .padding_mode = "border"}, {x, grid}}};
}

Result<Dims> grid_dims(std::span<const int64_t> size) {
  if (size.size() != 4 && size.size() != 5) {
    return fail(ErrorCode::invalid_model, "size has {} elements; [N, C, H, W] or [N, C, D, H, W] is expected", size.size());
  }
  Dims d;
  for (const int64_t extent : size) {
    if (extent < 0 || extent > kLargestExtent) return fail(ErrorCode::invalid_model, "size has the value {}", extent);
    d.push_back(extent);
  }
  Dims out = {d[0]};
  for (int i = 2; i < d.rank(); ++i) out.push_back(d[i]);
  out.push_back(d.rank() - 2);
  return out;
}

Status infer_affine(InferContext& c) {
  c.set(0, c.type(0));
  if (const auto size = c.ints(1)) {
    const Dims d = TRY(grid_dims(*size));
    c.set(0, c.type(0), Shape(d.begin(), d.end()));
  }
  return {};
}

Status run_affine(RefContext& c) {
  const bool aligned = c.attrs<AffineGridAttrs>().align_corners;
  const Dims d = TRY(grid_dims(c.ints(1)));
  const int space = d.rank() - 2;
  if (c.in(0).dims() != Dims{d[0], space, space + 1}) {
    return fail(ErrorCode::invalid_model, "theta has the shape {}; {}x{}x{} is expected", to_string(c.in(0).dims()), d[0], space,
                space + 1);
  }
  const std::vector<double> theta = c.doubles(0);
  std::vector<double> y(static_cast<size_t>(d.count()));
  const int64_t points = d.count(1, d.rank() - 1);
  for (int64_t n = 0; n < d[0]; ++n) {
    for (int64_t p = 0; p < points; ++p) {
      std::vector<double> at(static_cast<size_t>(space) + 1, 1.0);  // x, y, (z,) 1
      int64_t rest = p;
      for (int i = 0; i < space; ++i) {
        const int64_t extent = d[space - i], k = rest % extent;
        const auto whole = static_cast<double>(extent), place = static_cast<double>(k);
        at[static_cast<size_t>(i)] = !aligned ? (2 * place + 1) / whole - 1 : extent == 1 ? 0.0 : 2 * place / (whole - 1) - 1;
        rest /= extent;
      }
      for (int i = 0; i < space; ++i) {
        double sum = 0;
        for (int k = 0; k <= space; ++k) {
          sum += theta[static_cast<size_t>((n * space + i) * (space + 1) + k)] * at[static_cast<size_t>(k)];
        }
        y[static_cast<size_t>((n * points + p) * space + i)] = sum;
      }
    }
  }
  c.set_doubles(0, c.in(0).type(), d, y);
  return {};
}

std::vector<Sample> sample_samples() {
  using A = GridSampleAttrs;
  const auto make = [](std::string label, A a, ElementType type = E::f32) {
    return Sample{
        std::move(label), std::move(a), {{sample::noise(type, {2, 3, 5, 6})}, {sample::random({2, 4, 3, 2}, -1.4, 1.4)}}};
  };
  Sample volume = {"volume", A{}, {{sample::noise({1, 2, 3, 4, 5})}, {sample::random({1, 2, 3, 2, 3}, -1.2, 1.2)}}};
  return {make("linear", {}),
          make("linear_border", {.padding_mode = "border"}),
          make("linear_reflection", {.padding_mode = "reflection"}),
          make("linear_aligned", {.align_corners = true, .padding_mode = "reflection"}),
          make("cubic", {.mode = "cubic"}),
          make("cubic_border", {.align_corners = true, .mode = "cubic", .padding_mode = "border"}),
          make("nearest", {.mode = "nearest"}),
          make("nearest_reflection_i32", {.mode = "nearest", .padding_mode = "reflection"}, E::i32),
          volume};
}

std::vector<Sample> affine_samples() {
  return {{"plane", AffineGridAttrs{}, {{sample::noise({2, 2, 3})}, sample::constant(sample::ints({2, 3, 4, 5}))}},
          {"plane_aligned", AffineGridAttrs{true}, {{sample::noise({1, 2, 3})}, sample::constant(sample::ints({1, 1, 3, 2}))}},
          {"volume", AffineGridAttrs{}, {{sample::noise({1, 3, 4})}, sample::constant(sample::ints({1, 2, 2, 3, 4}))}}};
}

}  // namespace

OpFamily grid_sample() {
  return {
      function<image_body, ImageSampleAttrs>(Op("GridSample", {1}, "com.microsoft").in("X", kFloat).in("Grid", kFloat).out("Y"))
          .samples(image_samples)
          .doc("GridSample of images."),
      Op("GridSample", {16, 20, 22})
          .attrs<GridSampleAttrs>()
          .in("X", kSampled)
          .in("grid", kFloat, 'G')
          .out("Y")
          .infer(infer_sample)
          .reference(run_sample)
          .samples(sample_samples)
          .upgrade(upgrade_sample)
          .tolerance(Tolerance::rounding)
          .doc("A tensor sampled at the places of a grid"),
      Op("AffineGrid", {20})
          .attrs<AffineGridAttrs>()
          .in("theta", kFloat)
          .in("size", types(E::i64), 'I')
          .out("grid")
          .reads_value(1)
          .infer(infer_affine)
          .reference(run_affine)
          .samples(affine_samples)
          .tolerance(Tolerance::rounding)
          .doc("A regular grid moved by affine matrices, for GridSample"),
  };
}

}  // namespace slipway::ops
