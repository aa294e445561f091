// MaxUnpool and Col2Im: what pooling or cutting into blocks took apart, put back in place.
#include "ops/complex_parts.hpp"
#include "ops/op.hpp"
#include "ops/reference.hpp"
#include "ops/sample.hpp"
#include "ops/sums.hpp"
#include "ops/window.hpp"

namespace slipway::ops {
namespace {

struct MaxUnpoolAttrs {
  std::vector<int64_t> kernel_shape, pads, strides;
  bool operator==(const MaxUnpoolAttrs&) const = default;
  static constexpr auto fields() {
    using A = MaxUnpoolAttrs;
    return std::tuple{field("kernel_shape", &A::kernel_shape, true), field("pads", &A::pads), field("strides", &A::strides)};
  }
};

struct Col2ImAttrs {
  std::vector<int64_t> dilations, pads, strides;
  bool operator==(const Col2ImAttrs&) const = default;
  static constexpr auto fields() {
    using A = Col2ImAttrs;
    return std::tuple{field("dilations", &A::dilations), field("pads", &A::pads), field("strides", &A::strides)};
  }
};

constexpr int64_t kLargestExtent = int64_t{1} << 40;

/// The shape that pooling with these attributes makes [x] of.
Result<Shape> unpooled(const MaxUnpoolAttrs& a, const Shape& x) {
  if (x.size() < 3) return fail(ErrorCode::invalid_model, "the input needs at least 3 axes (N, C, space), here {}", x.size());
  const size_t rank = x.size() - 2;
  TRY(check_window({"", a.kernel_shape, a.pads, a.strides, {}}, rank));
  Shape y = x;
  for (size_t i = 0; i < rank; ++i) {
    if (!x[i + 2].known()) {
      y[i + 2] = Dim::unknown();
      continue;
    }
    TRY(detail::check_spatial_extent(i, x[i + 2].value()));
    const int64_t stride = a.strides.empty() ? 1 : a.strides[i], pads = a.pads.empty() ? 0 : a.pads[i] + a.pads[i + rank];
    const int64_t extent = (x[i + 2].value() - 1) * stride - pads + a.kernel_shape[i];
    if (extent < 0) return fail(ErrorCode::invalid_model, "spatial axis {} would become {} long", i, extent);
    y[i + 2] = extent;
  }
  return y;
}

Result<Shape> given_shape(std::span<const int64_t> values, size_t rank) {
  if (values.size() != rank)
    return fail(ErrorCode::invalid_model, "output_shape has {} elements where {} axes are", values.size(), rank);
  Shape y;
  for (const int64_t v : values) {
    if (v < 0 || v > kLargestExtent) return fail(ErrorCode::invalid_model, "output_shape has the value {}", v);
    y.push_back(v);
  }
  return y;
}

Status infer_unpool(InferContext& c) {
  c.set(0, c.type(0));
  const Shape* x = c.shape(0);
  if (x == nullptr) return {};
  Shape y = TRY(unpooled(c.attrs<MaxUnpoolAttrs>(), *x));
  if (c.has_input(2)) {
    const auto values = c.ints(2);
    y = values ? TRY(given_shape(*values, x->size())) : Shape(x->size(), Dim::unknown());
  }
  c.set(0, c.type(0), std::move(y));
  return {};
}

/// Indices count the elements of the shape that the attributes give; a larger output_shape keeps the places, not the counts.
Status run_unpool(RefContext& c) {
  const Dims xd = c.in(0).dims();
  if (c.in(1).dims() != xd) return Error(ErrorCode::invalid_model, "X and its indices must have one shape");
  const Shape natural = TRY(unpooled(c.attrs<MaxUnpoolAttrs>(), Shape(xd.begin(), xd.end())));
  Dims nd;
  for (const Dim d : natural) nd.push_back(d.value());
  Dims yd = nd;
  if (c.has(2)) {
    const Shape wanted = TRY(given_shape(c.ints(2), natural.size()));
    for (int i = 0; i < yd.rank(); ++i) yd[i] = wanted[static_cast<size_t>(i)].value();
  }
  const Dims steps = yd.strides();
  const std::vector<double> x = c.doubles(0);
  const std::vector<int64_t> at = c.ints(1);
  std::vector<double> y(static_cast<size_t>(yd.count()));
  for (size_t n = 0; n < x.size(); ++n) {
    if (at[n] < 0 || at[n] >= nd.count()) {
      return fail(ErrorCode::data_fault, "index {} is outside an output of {} elements", at[n], nd.count());
    }
    int64_t rest = at[n], to = 0;
    bool inside = true;
    for (int i = nd.rank() - 1; i >= 0; --i) {
      inside = inside && rest % nd[i] < yd[i];
      to += rest % nd[i] * steps[i];
      rest /= nd[i];
    }
    if (inside) y[static_cast<size_t>(to)] = x[n];
  }
  c.set_doubles(0, c.in(0).type(), yd, y);
  return {};
}

/// The window that cut the image into blocks: `in` the image, `out` the blocks.
Result<Window> block_window(const Col2ImAttrs& a, std::span<const int64_t> image, std::span<const int64_t> block) {
  Dims d = {1, 1};
  if (image.empty() || image.size() > static_cast<size_t>(kMaxRank) - 2) {
    return fail(ErrorCode::invalid_model, "image_shape has {} axes", image.size());
  }
  for (const int64_t extent : image) {
    if (extent < 0 || extent > detail::kLargestWindowValue)
      return fail(ErrorCode::invalid_model, "image_shape has the value {}", extent);
    d.push_back(extent);
  }
  return make_window({"", block, a.pads, a.strides, a.dilations}, d);
}

Status infer_col2im(InferContext& c) {
  c.set(0, c.type(0));
  const Shape* x = c.shape(0);
  const auto image = c.ints(1), block = c.ints(2);
  if (x != nullptr && x->size() != 3) return fail(ErrorCode::invalid_model, "the input has {} axes; 3 are expected", x->size());
  if (!image) return {};
  Shape y = {x ? (*x)[0] : Dim::unknown(), Dim::unknown()};
  for (const int64_t extent : *image) y.push_back(extent < 0 ? Dim::unknown() : Dim(extent));
  if (block) {
    const Window w = TRY(block_window(c.attrs<Col2ImAttrs>(), *image, *block));
    if (x != nullptr && (*x)[1].known()) {
      if ((*x)[1].value() % taps(w) != 0) {
        return fail(ErrorCode::invalid_model, "{} rows do not divide into blocks of {}", (*x)[1].value(), taps(w));
      }
      y[1] = (*x)[1].value() / taps(w);
    }
    if (x != nullptr && (*x)[2].known() && (*x)[2].value() != out_positions(w)) {
      return fail(ErrorCode::invalid_model, "the input has {} blocks where the image takes {}", (*x)[2].value(),
                  out_positions(w));
    }
  }
  c.set(0, c.type(0), std::move(y));
  return {};
}

Status run_col2im(RefContext& c) {
  const Tensor& x = c.in(0);
  if (contains(kComplex, x.type())) return by_parts(c, [](RefContext& part, int64_t) { return run_col2im(part); });
  if (x.type() == E::string) {
    return fail(ErrorCode::unsupported, "blocks of type {} cannot be summed", name(x.type()));
  }
  const std::vector<int64_t> image = c.ints(1), block = c.ints(2);
  const Window w = TRY(block_window(c.attrs<Col2ImAttrs>(), image, block));
  const Dims xd = x.dims();
  const int64_t kernel = taps(w), blocks = out_positions(w), plane = in_positions(w);
  if (xd.rank() != 3 || xd[1] % kernel != 0 || xd[2] != blocks) {
    return fail(ErrorCode::invalid_model, "the input has the shape {}; [N, C * {}, {}] is expected", to_string(xd), kernel,
                blocks);
  }
  Dims yd = {xd[0], xd[1] / kernel};
  for (const int64_t extent : image) yd.push_back(extent);
  Tensor y = c.out(0, x.type(), yd);
  in_sum_domain(x.type(), [&]<class T>(T) {
    std::vector<T> sums(static_cast<size_t>(yd.count()));
    for (int64_t tap = 0; tap < kernel; ++tap) {
      const std::vector<Meeting> pairs = meetings(w, tap);
      for (int64_t p = 0; p < yd[0] * yd[1]; ++p) {
        for (const Meeting& m : pairs)
          sums[static_cast<size_t>(p * plane + m.in)] += load<T>(x, (p * kernel + tap) * blocks + m.out);
      }
    }
    for (size_t i = 0; i < sums.size(); ++i) store<T>(y, static_cast<int64_t>(i), sums[i]);
  });
  return {};
}

std::vector<Sample> unpool_samples() {
  using A = MaxUnpoolAttrs;
  const SampleInput x = {sample::noise({1, 1, 2, 2})}, at = {sample::numbers(E::i64, {1, 1, 2, 2}, {5, 7, 13, 15})};
  return {{"natural_shape", A{.kernel_shape = {2, 2}, .strides = {2, 2}}, {x, at}},
          {"output_shape", A{.kernel_shape = {2, 2}, .strides = {2, 2}}, {x, at, sample::constant(sample::ints({1, 1, 5, 5}))}},
          {"line",
           A{.kernel_shape = {2}, .strides = {2}},
           {{sample::noise({1, 2, 3})}, {sample::numbers(E::i64, {1, 2, 3}, {0, 3, 4, 7, 8, 11})}}}};
}

std::vector<Sample> col2im_samples() {
  using A = Col2ImAttrs;
  const auto make = [](std::string label, A a, const Dims& x, std::initializer_list<int64_t> image,
                       std::initializer_list<int64_t> block, ElementType type = E::f32) {
    return Sample{std::move(label),
                  std::move(a),
                  {{sample::noise(type, x)}, sample::constant(sample::ints(image)), sample::constant(sample::ints(block))}};
  };
  return {make("blocks", {}, {1, 5, 5}, {5, 5}, {1, 5}),
          make("strides", {.strides = {2, 2}}, {1, 9, 4}, {5, 5}, {3, 3}),
          make("pads", {.pads = {1, 0, 1, 0}}, {1, 5, 9}, {5, 3}, {5, 1}),
          make("dilations", {.dilations = {1, 5}}, {1, 4, 5}, {6, 6}, {2, 2}),
          make("volume", {}, {1, 10, 12}, {3, 4, 5}, {1, 1, 5}),
          make("i32", {}, {2, 8, 4}, {3, 3}, {2, 2}, E::i32)};
}

}  // namespace

OpFamily unpool() {
  return {
      Op("MaxUnpool", {9, 11, 22})
          .attrs<MaxUnpoolAttrs>()
          .in("X", kFloat)
          .in("I", types(E::i64), 'I')
          .opt("output_shape", types(E::i64), 'I')
          .out("output")
          .reads_value(2)
          .infer(infer_unpool)
          .reference(run_unpool)
          .samples(unpool_samples)
          .doc("What MaxPool chose, back in its place among zeros"),
      Op("Col2Im", {18})
          .attrs<Col2ImAttrs>()
          .in("input", kNumeric | kString | kBool | kComplex)
          .in("image_shape", types(E::i64), 'I')
          .in("block_shape", types(E::i64), 'I')
          .out("output")
          .reads_value(1, 2)
          .infer(infer_col2im)
          .reference(run_col2im)
          .samples(col2im_samples)
          .tolerance(Tolerance::rounding)
          .doc("An image put together from sliding blocks, overlaps summed"),
  };
}

}  // namespace slipway::ops
