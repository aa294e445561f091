// What the elementwise families share: shape rules and loops. Integers run in 64 bits and wrap when stored.
#pragma once

#include <limits>

#include "ops/onnx_node.hpp"
#include "ops/reference.hpp"

namespace slipway::ops {

/// Output 0: input 0's shape; `type` undefined stands for input 0's type.
inline Status infer_like_input(InferContext& c, ElementType type = ElementType::undefined) {
  const Shape* shape = c.shape(0);
  c.set(0, type == ElementType::undefined ? c.type(0) : type, shape == nullptr ? std::nullopt : std::optional<Shape>(*shape));
  return {};
}
inline Status infer_same(InferContext& c) {
  return infer_like_input(c);
}
inline Status infer_same_bool(InferContext& c) {
  return infer_like_input(c, ElementType::boolean);
}

/// Output 0: the broadcast of all inputs' shapes; `type` undefined stands for input 0's type.
inline Status infer_broadcast_as(InferContext& c, ElementType type) {
  if (type == ElementType::undefined) type = c.type(0);
  Shape out;
  for (size_t i = 0; i < c.input_count(); ++i) {
    const Shape* shape = c.shape(i);
    if (shape == nullptr) {
      c.set(0, type);
      return {};
    }
    out = TRY(broadcast(out, *shape));
  }
  c.set(0, type, std::move(out));
  return {};
}
inline Status infer_broadcast(InferContext& c) {
  return infer_broadcast_as(c, ElementType::undefined);
}
inline Status infer_broadcast_bool(InferContext& c) {
  return infer_broadcast_as(c, ElementType::boolean);
}

/// y[i] = f(x[i]) in double, rounded to the type.
template <class F>
Status map_floats(RefContext& c, F&& f) {
  std::vector<double> values = c.doubles(0);
  for (double& v : values) v = f(v);
  c.set_doubles(0, c.in(0).type(), c.in(0).dims(), values);
  return {};
}

/// y[i] = f(x[i]) on 64-bit integers (unsigned types zero-extended), wrapped to the type.
template <class F>
Status map_integers(RefContext& c, F&& f) {
  const Tensor& x = c.in(0);
  Tensor y = c.out(0, x.type(), x.dims());
  for (int64_t i = 0, n = x.count(); i < n; ++i) store<int64_t>(y, i, f(load<int64_t>(x, i)));
  return {};
}

/// The broadcast of all inputs' dims.
inline Result<Dims> broadcast_dims(const RefContext& c) {
  Dims out;
  for (size_t i = 0; i < c.input_count(); ++i) out = TRY(broadcast(out, c.in(i).dims()));
  return out;
}

/// z = f(a, b) over the broadcast of inputs 0 and 1, both in double; f returns double, the result is rounded to input 0's type.
template <class F>
Status zip_floats(RefContext& c, F&& f) {
  const Dims dims = TRY(broadcast_dims(c));
  const std::vector<double> a = c.doubles(0), b = c.doubles(1);
  std::vector<double> z(static_cast<size_t>(dims.count()));
  walk<2>(dims, {broadcast_strides(c.in(0).dims(), dims), broadcast_strides(c.in(1).dims(), dims)},
          [&](int64_t n, const std::array<int64_t, 2>& at) {
            z[static_cast<size_t>(n)] = f(a[static_cast<size_t>(at[0])], b[static_cast<size_t>(at[1])]);
          });
  c.set_doubles(0, c.in(0).type(), dims, z);
  return {};
}

/// The same on 64-bit integers (unsigned types zero-extended), wrapped to `type`. f(a, b, z) sets z; false is a fault.
template <class F>
Result<bool> zip_integers(RefContext& c, ElementType type, F&& f) {
  const Dims dims = TRY(broadcast_dims(c));
  const Tensor &a = c.in(0), &b = c.in(1);
  Tensor out = c.out(0, type, dims);
  bool fine = true;
  walk<2>(dims, {broadcast_strides(a.dims(), dims), broadcast_strides(b.dims(), dims)},
          [&](int64_t n, const std::array<int64_t, 2>& at) {
            int64_t z = 0;
            fine = f(load<int64_t>(a, at[0]), load<int64_t>(b, at[1]), z) && fine;
            store<int64_t>(out, n, z);
          });
  return fine;
}

/// The range of an integer type, as 64-bit patterns.
struct IntegerRange {
  int64_t low;
  int64_t high;  ///< for u64 the pattern of its largest value
};
inline IntegerRange integer_range(ElementType type) {
  const int width = bits(type);
  if (is_signed_integer(type)) {
    const int64_t high = std::numeric_limits<int64_t>::max() >> (64 - width);
    return {-high - 1, high};
  }
  return {0, static_cast<int64_t>(~uint64_t{0} >> (64 - width))};
}

/// a < b for 64-bit patterns of the type.
inline bool integer_less(ElementType type, int64_t a, int64_t b) {
  return is_signed_integer(type) ? a < b : static_cast<uint64_t>(a) < static_cast<uint64_t>(b);
}

/// Before version 7 the second operand was aligned at `axis` of the first, and only when `broadcast` was set.
inline Status upgrade_broadcast(OnnxNode& node) {
  node.drop("consumed_inputs");
  if (node.version >= 7) return {};
  const bool aligned = node.take_int("broadcast", 0) != 0 && node.has("axis");
  const int64_t axis = node.take_int("axis", 0);
  if (!aligned || node.inputs.size() != 2) return {};
  const std::optional<Shape>&a = node.fact(0).shape, &b = node.fact(1).shape;
  if (!a || !b) return Error(ErrorCode::unsupported, "broadcasting along an axis (before opset 7) needs inputs of known rank");
  const int first = TRY(normalize_axis(axis, static_cast<int>(a->size())));
  std::vector<int64_t> axes;
  for (size_t i = static_cast<size_t>(first) + b->size(); i < a->size(); ++i)
    axes.push_back(static_cast<int64_t>(b->size() + axes.size()));
  if (!axes.empty())
    node.inputs[1] = TRY(node.emit("Unsqueeze", NoAttrs{}, {node.inputs[1], node.constant(Tensor::vector(axes))}));
  return {};
}

}  // namespace slipway::ops
