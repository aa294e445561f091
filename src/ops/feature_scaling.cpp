// Binarizer, Imputer, Normalizer, Scaler of ai.onnx.ml.
#include "ops/elementwise.hpp"
#include "ops/sample.hpp"
#include "ops/scores.hpp"

namespace slipway::ops {
namespace {

// ---- Binarizer

struct BinarizerAttrs {
  float threshold = 0;
  bool operator==(const BinarizerAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("threshold", &BinarizerAttrs::threshold)}; }
};

Status run_binarizer(RefContext& c) {
  const double threshold = c.attrs<BinarizerAttrs>().threshold;
  return map_floats(c, [&](double x) { return x > threshold ? 1.0 : 0.0; });
}

// ---- Imputer

struct ImputerAttrs {
  std::vector<float> imputed_value_floats;  ///< one, or one for each column
  std::vector<int64_t> imputed_value_int64s;
  float replaced_value_float = 0;
  int64_t replaced_value_int64 = 0;
  bool operator==(const ImputerAttrs&) const = default;
  static constexpr auto fields() {
    using A = ImputerAttrs;
    return std::tuple{
        field("imputed_value_floats", &A::imputed_value_floats), field("imputed_value_int64s", &A::imputed_value_int64s),
        field("replaced_value_float", &A::replaced_value_float), field("replaced_value_int64", &A::replaced_value_int64)};
  }
};

/// Lists that hold one value, or one for each column.
Status check_columns(std::string_view what, size_t count, const Shape* x) {
  const Dim columns = x == nullptr || x->empty() ? Dim(1) : x->back();
  if (count == 1 || x == nullptr || !columns.known() || columns.value() == static_cast<int64_t>(count)) return {};
  return fail(ErrorCode::invalid_model, "'{}' has {} values for {} columns", what, count, columns.value());
}

Status infer_imputer(InferContext& c) {
  const auto& a = c.attrs<ImputerAttrs>();
  const size_t count = is_float(c.type(0)) ? a.imputed_value_floats.size() : a.imputed_value_int64s.size();
  if (count == 0 && c.type(0) != ElementType::undefined)
    return Error(ErrorCode::invalid_model, "the imputed values for this element type are not given");
  TRY(check_columns("imputed_value", count, c.shape(0)));
  return infer_same(c);
}

Status run_imputer(RefContext& c) {
  const auto& a = c.attrs<ImputerAttrs>();
  TRY(actual_facts(c));
  const Tensor& x = c.in(0);
  Tensor y = c.out(0, x.type(), x.dims());
  const auto replace = [&]<class T>(T, const auto& values, auto is_missing) {
    const auto columns = static_cast<int64_t>(values.size());
    for (int64_t i = 0; i < x.count(); ++i) {
      const T value = load<T>(x, i);
      store<T>(y, i, is_missing(value) ? static_cast<T>(values[static_cast<size_t>(i % columns)]) : value);
    }
  };
  if (is_float(x.type())) {
    const double missing = a.replaced_value_float;
    replace(double{}, a.imputed_value_floats, [&](double v) { return v == missing || (std::isnan(v) && std::isnan(missing)); });
  } else {
    replace(int64_t{}, a.imputed_value_int64s, [&](int64_t v) { return v == a.replaced_value_int64; });
  }
  return {};
}

// ---- Normalizer

struct NormalizerAttrs {
  std::string norm = "MAX";  ///< MAX | L1 | L2
  bool operator==(const NormalizerAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("norm", &NormalizerAttrs::norm)}; }
};

Status infer_normalizer(InferContext& c) {
  const std::string& norm = c.attrs<NormalizerAttrs>().norm;
  if (norm != "MAX" && norm != "L1" && norm != "L2")
    return fail(ErrorCode::invalid_model, "norm '{}' is not one of MAX, L1, L2", norm);
  TRY(feature_shape(c.shape(0)));
  return infer_like_input(c, E::f32);
}

double length_of(std::span<const double> row, std::string_view norm) {
  double sum = 0;
  for (double v : row) sum = norm == "MAX" ? std::max(sum, std::abs(v)) : sum + (norm == "L1" ? std::abs(v) : v * v);
  return norm == "L2" ? std::sqrt(sum) : sum;
}

Status run_normalizer(RefContext& c) {
  TRY(actual_facts(c));
  const FeatureRows x(c);
  std::vector<double> y;
  for (int64_t n = 0; n < x.count(); ++n) {
    const double length = length_of(x.at(n), c.attrs<NormalizerAttrs>().norm);
    for (double v : x.at(n)) y.push_back(length == 0 ? v : v / length);
  }
  c.set_doubles(0, E::f32, c.in(0).dims(), y);
  return {};
}

// ---- Scaler

struct ScalerAttrs {
  std::vector<float> offset, scale;  ///< one, or one for each column
  bool operator==(const ScalerAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("offset", &ScalerAttrs::offset), field("scale", &ScalerAttrs::scale)};
  }
};

Status infer_scaler(InferContext& c) {
  const auto& a = c.attrs<ScalerAttrs>();
  if (a.offset.empty() || a.scale.empty()) return Error(ErrorCode::invalid_model, "both offset and scale must be given");
  TRY(check_columns("offset", a.offset.size(), c.shape(0)));
  TRY(check_columns("scale", a.scale.size(), c.shape(0)));
  return infer_like_input(c, E::f32);
}

Status run_scaler(RefContext& c) {
  const auto& a = c.attrs<ScalerAttrs>();
  TRY(actual_facts(c));
  std::vector<double> y = c.doubles(0);
  for (size_t i = 0; i < y.size(); ++i)
    y[i] = (y[i] - double{a.offset[i % a.offset.size()]}) * double{a.scale[i % a.scale.size()]};
  c.set_doubles(0, E::f32, c.in(0).dims(), y);
  return {};
}

std::vector<Sample> imputer_samples() {
  using A = ImputerAttrs;
  return {{"columns",
           A{.imputed_value_floats = {1, 2}, .replaced_value_float = -5},
           {{sample::floats({2, 2}, {0, -5, -5, std::nan("")})}}},
          {"one", A{.imputed_value_floats = {7}, .replaced_value_float = -1}, {{sample::floats({2, 2}, {0, -1, 5, -1})}}},
          {"integers", A{.imputed_value_int64s = {8, 9}, .replaced_value_int64 = 3}, {{sample::counting(E::i64, {3, 2})}}}};
}

std::vector<Sample> normalizer_samples() {
  const Tensor x = sample::floats({3, 2}, {3, -4, 0, 0, 1, 1});
  return {{"max", NormalizerAttrs{}, {{x}}},
          {"l1", NormalizerAttrs{"L1"}, {{x}}},
          {"l2", NormalizerAttrs{"L2"}, {{x}}},
          {"integers", NormalizerAttrs{"L2"}, {{sample::counting(E::i64, {2, 3})}}},
          {"row", NormalizerAttrs{"L1"}, {{sample::counting(E::f64, {4})}}}};
}

std::vector<Sample> scaler_samples() {
  return {{"columns", ScalerAttrs{{1, 2, 3}, {0.5f, 2, 1}}, {{sample::noise({4, 3})}}},
          {"one", ScalerAttrs{{1}, {3}}, {{sample::counting(E::i32, {2, 2})}}}};
}

}  // namespace

OpFamily feature_scaling() {
  return {Op("Binarizer", {1}, kMl)
              .attrs<BinarizerAttrs>()
              .in("X", kFeatures)
              .out("Y")
              .infer(infer_same)
              .reference(run_binarizer)
              .samples([] { return sample::of_one_input(kFeatures, -2, 2, BinarizerAttrs{0.5f}); })
              .doc("1 above a threshold, else 0."),
          Op("Imputer", {1}, kMl)
              .attrs<ImputerAttrs>()
              .in("X", kFeatures)
              .out("Y")
              .infer(infer_imputer)
              .reference(run_imputer)
              .samples(imputer_samples)
              .doc("One value replaced, by column."),
          Op("Normalizer", {1}, kMl)
              .attrs<NormalizerAttrs>()
              .in("X", kFeatures)
              .out("Y", types(E::f32), 0)
              .infer(infer_normalizer)
              .reference(run_normalizer)
              .samples(normalizer_samples)
              .tolerance(Tolerance::rounding)
              .doc("Rows divided by their length."),
          Op("Scaler", {1}, kMl)
              .attrs<ScalerAttrs>()
              .in("X", kFeatures)
              .out("Y", types(E::f32), 0)
              .infer(infer_scaler)
              .reference(run_scaler)
              .samples(scaler_samples)
              .tolerance(Tolerance::rounding)
              .doc("Columns shifted, then scaled.")};
}

}  // namespace slipway::ops
