// Gemm, MatMul, MatMulInteger, QLinearMatMul: matrix products.
#include "ops/gemm.hpp"

#include <cmath>

#include "ops/onnx_node.hpp"
#include "ops/op.hpp"
#include "ops/reference.hpp"
#include "ops/sample.hpp"
#include "ops/sums.hpp"

namespace slipway::ops {
namespace {

constexpr TypeSet kByte = types(E::i8, E::u8);
constexpr TypeSet kProduct = kFloat | types(E::i32, E::i64, E::u32, E::u64);
constexpr TypeSet kQuantised = kByte | types(E::f8e4m3fn, E::f8e4m3fnuz, E::f8e5m2, E::f8e5m2fnuz);

/// y[m, n] += sum over k of a[m, k] * b[k, n]; strides are in elements.
template <class T>
void multiply(const T* a, int64_t a_row, int64_t a_col, const T* b, int64_t b_row, int64_t b_col, T* y, int64_t m, int64_t k,
              int64_t n) {
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t p = 0; p < k; ++p) {
      const T left = a[i * a_row + p * a_col];
      for (int64_t j = 0; j < n; ++j) y[i * n + j] += left * b[p * b_row + j * b_col];
    }
  }
}

/// Elements in the domain of sums, T.
template <class T>
std::vector<T> elements(const Tensor& t) {
  std::vector<T> out(static_cast<size_t>(t.count()));
  for (size_t i = 0; i < out.size(); ++i) out[i] = load<T>(t, static_cast<int64_t>(i));
  return out;
}

Result<std::optional<Shape>> gemm_shape(const GemmAttrs& at, const Shape* a, const Shape* b, const Shape* c) {
  for (const Shape* s : {a, b}) {
    if (s != nullptr && s->size() != 2)
      return fail(ErrorCode::invalid_model, "A and B must be matrices, here one has {} axes", s->size());
  }
  Shape y(2, Dim::unknown());
  if (a != nullptr) y[0] = (*a)[at.transA ? 1 : 0];
  if (b != nullptr) y[1] = (*b)[at.transB ? 0 : 1];
  if (a != nullptr && b != nullptr) {
    const Dim left = (*a)[at.transA ? 0 : 1], right = (*b)[at.transB ? 1 : 0];
    if (left.known() && right.known() && left.value() != right.value()) {
      return fail(ErrorCode::invalid_model, "A gives {} columns where B takes {} rows", left.value(), right.value());
    }
  }
  if (c != nullptr) {
    if (c->size() > 2) return fail(ErrorCode::invalid_model, "C has {} axes; at most 2 can broadcast to a matrix", c->size());
    for (size_t i = 0; i < c->size(); ++i) {
      const Dim from = (*c)[c->size() - 1 - i], to = y[1 - i];
      if (from.known() && to.known() && from.value() != 1 && from.value() != to.value()) {
        return fail(ErrorCode::invalid_model, "C of extent {} does not broadcast to {}", from.value(), to.value());
      }
    }
  }
  return std::optional(y);
}

Status infer_gemm(InferContext& c) {
  c.set(0, c.type(0), TRY(gemm_shape(c.attrs<GemmAttrs>(), c.shape(0), c.shape(1), c.shape(2))));
  return {};
}

Status run_gemm(RefContext& c) {
  const GemmAttrs& at = c.attrs<GemmAttrs>();
  const Dims ad = c.in(0).dims(), bd = c.in(1).dims();
  const Shape as(ad.begin(), ad.end()), bs(bd.begin(), bd.end());
  TRY(gemm_shape(at, &as, &bs, nullptr));
  const int64_t m = ad[at.transA ? 1 : 0], k = ad[at.transA ? 0 : 1], n = bd[at.transB ? 0 : 1];
  const Dims yd = {m, n};
  const ElementType type = c.in(0).type();
  Dims steps = {0, 0};
  if (c.has(2)) {
    if (TRY(broadcast(c.in(2).dims(), yd)) != yd) {
      return fail(ErrorCode::invalid_model, "C of shape {} does not broadcast to {}", to_string(c.in(2).dims()), to_string(yd));
    }
    steps = broadcast_strides(c.in(2).dims(), yd);
  }
  Tensor out = c.out(0, type, yd);
  in_sum_domain(type, [&]<class T>(T) {
    const std::vector<T> a = elements<T>(c.in(0)), b = elements<T>(c.in(1));
    const std::vector<T> addend = c.has(2) ? elements<T>(c.in(2)) : std::vector<T>();
    std::vector<T> y(static_cast<size_t>(m * n));
    multiply<T>(a.data(), at.transA ? 1 : k, at.transA ? m : 1, b.data(), at.transB ? 1 : n, at.transB ? k : 1, y.data(), m, k,
                n);
    for (int64_t i = 0; i < m * n; ++i) {
      T v = y[static_cast<size_t>(i)];
      if (at.alpha != 1.0f) v = scaled(v, at.alpha, is_signed_integer(type));
      if (!addend.empty()) {
        T add = addend[static_cast<size_t>(i / n * steps[0] + i % n * steps[1])];
        if (at.beta != 1.0f) add = scaled(add, at.beta, is_signed_integer(type));
        v += add;
      }
      store<T>(out, i, v);
    }
  });
  return {};
}

Result<std::optional<Shape>> matmul_shape(const Shape* a, const Shape* b) {
  for (const Shape* s : {a, b}) {
    if (s != nullptr && s->empty())
      return fail(ErrorCode::invalid_model, "a scalar cannot be multiplied as a matrix; rank >= 1 is expected");
  }
  if (a == nullptr || b == nullptr) return std::optional<Shape>();
  Shape left = *a, right = *b;
  if (a->size() == 1) left.insert(left.begin(), 1);
  if (b->size() == 1) right.push_back(1);
  const Dim inner = left.back(), rows = right[right.size() - 2];
  if (inner.known() && rows.known() && inner.value() != rows.value()) {
    return fail(ErrorCode::invalid_model, "the left matrix has {} columns where the right one has {} rows", inner.value(),
                rows.value());
  }
  Shape y = TRY(broadcast(Shape(left.begin(), left.end() - 2), Shape(right.begin(), right.end() - 2)));
  if (a->size() > 1) y.push_back(left[left.size() - 2]);
  if (b->size() > 1) y.push_back(right.back());
  return std::optional(y);
}

/// For every matrix of the batch: f(offset in a, offset in b, offset in y), in elements.
template <class F>
void each_matrix(const MatMulShape& s, F&& f) {
  const auto leading = [](const Dims& d) { return Dims(std::span(d.begin(), d.end() - 2)); };
  const std::array<Dims, 2> steps = {broadcast_strides(leading(s.a), s.batch), broadcast_strides(leading(s.b), s.batch)};
  walk<2>(s.batch, steps,
          [&](int64_t i, const std::array<int64_t, 2>& at) { f(at[0] * s.m * s.k, at[1] * s.k * s.n, i * s.m * s.n); });
}

template <class T>
std::vector<T> product(const MatMulShape& s, const std::vector<T>& a, const std::vector<T>& b) {
  std::vector<T> y(static_cast<size_t>(s.y.count()));
  each_matrix(s, [&](int64_t at_a, int64_t at_b, int64_t at_y) {
    multiply<T>(a.data() + at_a, s.k, 1, b.data() + at_b, s.n, 1, y.data() + at_y, s.m, s.k, s.n);
  });
  return y;
}

Status infer_matmul(InferContext& c) {
  c.set(0, c.type(0), TRY(matmul_shape(c.shape(0), c.shape(1))));
  return {};
}

Status run_matmul(RefContext& c) {
  const MatMulShape s = TRY(ops::matmul_shape(c.in(0).dims(), c.in(1).dims()));
  Tensor out = c.out(0, c.in(0).type(), s.y);
  in_sum_domain(out.type(), [&]<class T>(T) {
    const std::vector<T> y = product<T>(s, elements<T>(c.in(0)), elements<T>(c.in(1)));
    for (size_t i = 0; i < y.size(); ++i) store<T>(out, static_cast<int64_t>(i), y[i]);
  });
  return {};
}

/// Values minus zero points. `zero` has one element, or one per row (left) or column (right) of every matrix.
template <class T>
Result<std::vector<T>> centred(std::vector<T> v, const Dims& d, const std::vector<T>& zero, const Dims& zero_dims, bool left) {
  if (zero.size() == 1) {
    for (T& x : v) x -= zero[0];
    return v;
  }
  // A vector of zero points runs along the rows (left side) or columns (right side); more axes broadcast as they are.
  Dims zd = zero_dims;
  if (zd.rank() == 1 && left) zd.push_back(1);
  const Result<Dims> together = broadcast(zd, d);
  if (!together || *together != d) {
    return fail(ErrorCode::invalid_model, "zero points or scales of shape {} do not fit a matrix of shape {}",
                to_string(zero_dims), to_string(d));
  }
  const std::array<Dims, 1> steps = {broadcast_strides(zd, d)};
  walk<1>(d, steps,
          [&](int64_t i, const std::array<int64_t, 1>& at) { v[static_cast<size_t>(i)] -= zero[static_cast<size_t>(at[0])]; });
  return v;
}

Status infer_matmul_integer(InferContext& c) {
  c.set(0, E::i32, TRY(matmul_shape(c.shape(0), c.shape(1))));
  return {};
}

Status run_matmul_integer(RefContext& c) {
  const MatMulShape s = TRY(ops::matmul_shape(c.in(0).dims(), c.in(1).dims()));
  std::vector<int64_t> a = c.ints(0), b = c.ints(1);
  if (c.has(2)) a = TRY(centred(std::move(a), c.in(0).dims(), c.ints(2), c.in(2).dims(), true));
  if (c.has(3)) b = TRY(centred(std::move(b), c.in(1).dims(), c.ints(3), c.in(3).dims(), false));
  const std::vector<int64_t> y = product(s, a, b);
  Tensor out = c.out(0, E::i32, s.y);
  for (size_t i = 0; i < y.size(); ++i) out.as<int32_t>()[i] = static_cast<int32_t>(y[i]);
  return {};
}

Status infer_qlinear_matmul(InferContext& c) {
  c.set(0, c.type(7), TRY(matmul_shape(c.shape(0), c.shape(3))));
  return {};
}

/// A scale as a tensor over the matrix it belongs to.
Result<std::vector<double>> dequantised(RefContext& c, size_t value, size_t scale, size_t zero, bool left) {
  const Dims d = c.in(value).dims();
  std::vector<double> v = TRY(centred(c.doubles(value), d, c.doubles(zero), c.in(zero).dims(), left));
  const std::vector<double> s = c.doubles(scale);
  std::vector<double> negative(v.size(), 0.0);
  negative = TRY(centred(std::move(negative), d, s, c.in(scale).dims(), left));
  for (size_t i = 0; i < v.size(); ++i) v[i] *= -negative[i];
  return v;
}

Status run_qlinear_matmul(RefContext& c) {
  const MatMulShape s = TRY(ops::matmul_shape(c.in(0).dims(), c.in(3).dims()));
  std::vector<double> y;
  if (c.in(1).count() == 1 && c.in(4).count() == 1) {  // sums stay exact; one factor as float
    const std::vector<double> a = TRY(centred(c.doubles(0), c.in(0).dims(), c.doubles(2), c.in(2).dims(), true));
    const std::vector<double> b = TRY(centred(c.doubles(3), c.in(3).dims(), c.doubles(5), c.in(5).dims(), false));
    y = product(s, a, b);
    const auto factor = static_cast<float>(c.doubles(1)[0]) * static_cast<float>(c.doubles(4)[0]);
    for (double& v : y) v *= static_cast<double>(factor);
  } else {
    y = product(s, TRY(dequantised(c, 0, 1, 2, true)), TRY(dequantised(c, 3, 4, 5, false)));
  }
  const std::vector<double> scale = c.doubles(6), zero = c.doubles(7);
  if (scale.empty() || zero.empty()) return fail(ErrorCode::invalid_model, "y_scale and y_zero_point are empty");
  const bool integer = is_integer(c.in(7).type());
  const auto rows = static_cast<size_t>(s.m), columns = static_cast<size_t>(s.n);
  if ((scale.size() != 1 && scale.size() != rows) || (zero.size() != 1 && zero.size() != rows)) {
    return fail(ErrorCode::invalid_model, "y_scale and y_zero_point need one element, or one per row ({})", rows);
  }
  for (size_t i = 0; i < y.size(); ++i) {
    const size_t row = i / columns % rows;
    y[i] /= scale[scale.size() == 1 ? 0 : row];
    y[i] = (integer ? std::nearbyint(y[i]) : y[i]) + zero[zero.size() == 1 ? 0 : row];
  }
  c.set_doubles(0, c.in(7).type(), s.y, y);
  return {};
}

/// Before opset 7 an attribute allowed C to broadcast.
Status upgrade_gemm(OnnxNode& node) {
  node.drop("broadcast");
  return {};
}

Sample gemm_sample(std::string label, GemmAttrs at, const Dims& a, const Dims& b, std::optional<Dims> c = {},
                   ElementType type = E::f32) {
  Sample s{std::move(label), at, {{sample::noise(type, a, 1)}, sample::constant(sample::noise(type, b, 2))}};
  if (c) s.inputs.push_back(sample::constant(sample::noise(type, *c, 3)));
  return s;
}

std::vector<Sample> gemm_samples() {
  std::vector<Sample> all = {
      gemm_sample("plain", {}, {3, 17}, {17, 24}),
      gemm_sample("bias_row", {}, {5, 32}, {32, 17}, Dims{17}),
      gemm_sample("trans_b_bias", {.transB = true}, {1, 24}, {33, 24}, Dims{33}),
      gemm_sample("trans_a", {.transA = true}, {17, 7}, {17, 19}, Dims{7, 19}),
      gemm_sample("trans_both_column_bias", {.transA = true, .transB = true}, {24, 6}, {5, 24}, Dims{6, 1}),
      gemm_sample("alpha_beta", {.alpha = 0.5f, .beta = 2.0f}, {14, 32}, {32, 32}, Dims{14, 32}),
      gemm_sample("scalar_c", {.beta = -1.0f}, {2, 3}, {3, 4}, Dims{}),
      gemm_sample("beta_zero", {.alpha = 2.0f, .beta = 0.0f}, {9, 5}, {5, 3}, Dims{1, 3}),
      gemm_sample("single", {}, {1, 1}, {1, 1}, Dims{1}),
      gemm_sample("vector_by_matrix", {.transB = true}, {1, 300}, {100, 300}, Dims{100}),
      gemm_sample("tall", {}, {131, 67}, {67, 65}, Dims{65}),
      gemm_sample("empty_inner", {}, {2, 0}, {0, 3}, Dims{3}),
      gemm_sample("f64", {}, {3, 4}, {4, 5}, Dims{5}, E::f64),
      gemm_sample("f16", {}, {3, 16}, {16, 5}, Dims{5}, E::f16),
      gemm_sample("bf16", {}, {3, 16}, {16, 5}, Dims{5}, E::bf16),
      gemm_sample("i32", {}, {3, 4}, {4, 5}, Dims{5}, E::i32),
      gemm_sample("u64", {}, {3, 4}, {4, 5}, Dims{5}, E::u64),
  };
  Sample dynamic = gemm_sample("both_at_run_time", {}, {6, 24}, {24, 17}, Dims{17});
  for (SampleInput& input : dynamic.inputs) input.constant = false;
  all.push_back(std::move(dynamic));
  return all;
}

Sample product_sample(std::string label, const Dims& a, const Dims& b, bool constant = false, ElementType type = E::f32) {
  return {std::move(label), {}, {{sample::noise(type, a, 1)}, {sample::noise(type, b, 2), constant}}};
}

std::vector<Sample> matmul_samples() {
  return {product_sample("matrices", {3, 17}, {17, 24}),
          product_sample("weights", {14, 32}, {32, 33}, true),
          product_sample("batched_weights", {2, 7, 24}, {24, 40}, true),
          product_sample("batched_both", {2, 3, 13, 16}, {2, 3, 16, 13}),
          product_sample("attention_scores", {1, 4, 19, 32}, {1, 4, 32, 19}),
          product_sample("broadcast_left", {5, 4}, {3, 2, 4, 6}),
          product_sample("broadcast_middle", {2, 1, 3, 4}, {1, 5, 4, 3}),
          product_sample("vector_left", {17}, {17, 5}),
          product_sample("vector_right", {3, 5, 17}, {17}),
          product_sample("vectors", {24}, {24}),
          product_sample("vector_batched", {8}, {3, 8, 2}),
          product_sample("one_row", {1, 65}, {65, 130}, true),
          product_sample("short_inner", {3, 3}, {3, 12}),
          product_sample("short_inner_batched", {2, 3, 2}, {2, 2, 20}),
          product_sample("long_inner", {5, 700}, {700, 9}, true),
          product_sample("empty_rows", {0, 4}, {4, 3}),
          product_sample("empty_inner", {2, 0}, {0, 3}),
          product_sample("f64", {2, 3}, {3, 4}, false, E::f64),
          product_sample("f16", {2, 16}, {16, 4}, true, E::f16),
          product_sample("bf16", {2, 16}, {16, 4}, true, E::bf16),
          product_sample("i64", {2, 3}, {3, 4}, false, E::i64),
          product_sample("u32", {2, 3}, {3, 4}, false, E::u32)};
}

std::vector<Sample> matmul_integer_samples() {
  const auto make = [](std::string label, ElementType at, ElementType bt, const Dims& a, const Dims& b, const Dims& az,
                       const Dims& bz) {
    return Sample{std::move(label),
                  {},
                  {{sample::noise(at, a, 1)},
                   sample::constant(sample::noise(bt, b, 2)),
                   sample::constant(sample::noise(at, az, 3)),
                   sample::constant(sample::noise(bt, bz, 4))}};
  };
  std::vector<Sample> all = {
      make("u8_u8", E::u8, E::u8, {4, 3}, {3, 2}, {}, {}), make("u8_i8_columns", E::u8, E::i8, {5, 17}, {17, 24}, {1}, {24}),
      make("i8_rows", E::i8, E::i8, {5, 8}, {8, 3}, {5}, {}), make("batched", E::u8, E::i8, {2, 3, 8}, {8, 4}, {}, {})};
  Sample plain = make("no_zero_points", E::i8, E::u8, {3, 33}, {33, 7}, {}, {});
  plain.inputs.resize(2);
  all.push_back(std::move(plain));
  return all;
}

std::vector<Sample> qlinear_matmul_samples() {
  const auto make = [](std::string label, ElementType at, ElementType bt, const Dims& a, const Dims& b, double b_zero) {
    using sample::constant;
    return Sample{std::move(label),
                  {},
                  {{sample::noise(at, a, 1)},
                   constant(sample::floats({}, {0.02})),
                   constant(sample::numbers(at, {}, {3})),
                   constant(sample::noise(bt, b, 2)),
                   constant(sample::floats({}, {0.01})),
                   constant(sample::numbers(bt, {}, {b_zero})),
                   constant(sample::floats({}, {0.25})),
                   constant(sample::numbers(at, {}, {5}))}};
  };
  return {make("u8_i8", E::u8, E::i8, {3, 17}, {17, 5}, 0), make("i8_i8", E::i8, E::i8, {4, 24}, {24, 32}, 0),
          make("u8_u8", E::u8, E::u8, {2, 4}, {4, 3}, 110), make("batched", E::u8, E::u8, {2, 2, 4}, {2, 4, 3}, 110)};
}

}  // namespace

Result<MatMulShape> matmul_shape(const Dims& a, const Dims& b) {
  const Shape as(a.begin(), a.end()), bs(b.begin(), b.end());
  Result<std::optional<Shape>> y = matmul_shape(&as, &bs);
  if (!y) return std::move(y).error().with(fmt::format("multiplying shapes {} and {}", to_string(a), to_string(b)));
  MatMulShape s;
  s.a = a.rank() == 1 ? Dims{1, a[0]} : a;
  s.b = b.rank() == 1 ? Dims{b[0], 1} : b;
  s.m = s.a[s.a.rank() - 2];
  s.k = s.a.back();
  s.n = s.b.back();
  for (const Dim d : **y) s.y.push_back(d.value());
  const int batch = s.y.rank() - (a.rank() > 1 ? 1 : 0) - (b.rank() > 1 ? 1 : 0);
  for (int i = 0; i < batch; ++i) s.batch.push_back(s.y[i]);
  return s;
}

OpFamily gemm() {
  return {
      Op("Gemm", {1, 6, 7, 9, 11, 13})
          .attrs<GemmAttrs>()
          .in("A", kProduct)
          .in("B", kProduct)
          .opt("C", kProduct)
          .out("Y")
          .infer(infer_gemm)
          .reference(run_gemm)
          .samples(gemm_samples)
          .upgrade(upgrade_gemm)
          .tolerance(Tolerance::rounding)
          .doc("alpha * A * B + beta * C, with A and B transposed when asked"),
      Op("MatMul", {1, 9, 13})
          .in("A", kProduct)
          .in("B", kProduct)
          .out("Y")
          .infer(infer_matmul)
          .reference(run_matmul)
          .samples(matmul_samples)
          .tolerance(Tolerance::rounding)
          .doc("Matrix product with NumPy's batching and broadcasting"),
      Op("MatMulInteger", {10})
          .in("A", kByte)
          .in("B", kByte, 'B')
          .opt("a_zero_point", kByte)
          .opt("b_zero_point", kByte, 'B')
          .out("Y", types(E::i32), 0)
          .infer(infer_matmul_integer)
          .reference(run_matmul_integer)
          .samples(matmul_integer_samples)
          .doc("Matrix product of 8-bit integers with 32-bit sums"),
      Op("QLinearMatMul", {10, 21})
          .in("a", kQuantised)
          .in("a_scale", types(E::f32, E::f16, E::bf16), 'S')
          .in("a_zero_point", kQuantised)
          .in("b", kQuantised, 'B')
          .in("b_scale", types(E::f32, E::f16, E::bf16), 'S')
          .in("b_zero_point", kQuantised, 'B')
          .in("y_scale", types(E::f32, E::f16, E::bf16), 'S')
          .in("y_zero_point", kQuantised, 'Y')
          .out("y", kQuantised, 'Y')
          .infer(infer_qlinear_matmul)
          .reference(run_qlinear_matmul)
          .samples(qlinear_matmul_samples)
          .doc("Matrix product of quantised tensors, requantised"),
  };
}

}  // namespace slipway::ops
