// ArrayFeatureExtractor, FeatureVectorizer, OneHotEncoder of ai.onnx.ml: columns chosen, joined and spread.
#include <numeric>

#include "base/low_precision.hpp"
#include "ops/sample.hpp"
#include "ops/scores.hpp"

namespace slipway::ops {
namespace {

// ---- ArrayFeatureExtractor

Status infer_extractor(InferContext& c) {
  std::optional<Shape> out;
  const Shape *x = c.shape(0), *y = c.shape(1);
  if (x != nullptr && x->empty()) return Error(ErrorCode::invalid_model, "a scalar has no columns");
  if (x != nullptr && y != nullptr) {
    out = x->size() == 1 ? Shape{Dim(1), Dim(1)} : *x;
    out->back() = Dim(1);
    for (Dim d : *y) out->back() = out->back() * d;
  }
  c.set(0, c.type(0), std::move(out));
  return {};
}

Status run_extractor(RefContext& c) {
  const Dims dims = TRY(actual_dims(c));
  const Tensor& x = c.in(0);
  Tensor y = c.out(0, x.type(), dims);
  const std::vector<int64_t> columns = c.ints(1);
  const int64_t width = x.dims().back();
  for (int64_t column : columns) {
    if (column < 0 || column >= width) return index_fault(column, width, x.dims().rank() - 1);
  }
  int64_t at = 0;
  for (int64_t row = 0; row < x.dims().count(0, x.dims().rank() - 1); ++row) {
    for (int64_t column : columns) copy_element(y, at++, x, row * width + column);
  }
  return {};
}

// ---- FeatureVectorizer

struct FeatureVectorizerAttrs {
  std::vector<int64_t> inputdimensions;  ///< columns taken of each input, filled with zeros where it has less; empty: all
  bool operator==(const FeatureVectorizerAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("inputdimensions", &FeatureVectorizerAttrs::inputdimensions)}; }
};

Status infer_vectorizer(InferContext& c) {
  const auto& wanted = c.attrs<FeatureVectorizerAttrs>().inputdimensions;
  if (!wanted.empty() && wanted.size() != c.input_count())
    return fail(ErrorCode::invalid_model, "inputdimensions has {} entries for {} inputs", wanted.size(), c.input_count());
  Dim rows = Dim::unknown(), columns(0);
  for (size_t i = 0; i < c.input_count(); ++i) {
    const FeatureShape x = TRY(feature_shape(c.shape(i)));
    rows = TRY(same_extent(rows, x.rows, 0));
    if (!wanted.empty() && wanted[i] < 0) return fail(ErrorCode::invalid_model, "input {} has {} columns", i, wanted[i]);
    const Dim own = wanted.empty() ? x.columns : Dim(wanted[i]);
    columns = columns.known() && own.known() ? columns + own : Dim::unknown();
  }
  c.set(0, E::f32, Shape{rows, columns});
  return {};
}

Status run_vectorizer(RefContext& c) {
  const Dims dims = TRY(actual_dims(c));
  const auto& wanted = c.attrs<FeatureVectorizerAttrs>().inputdimensions;
  std::vector<double> y(static_cast<size_t>(dims.count()));
  int64_t first = 0;
  for (size_t i = 0; i < c.input_count(); ++i) {
    const std::vector<double> x = c.doubles(i);
    const int64_t columns = c.in(i).dims().back(), taken = wanted.empty() ? columns : wanted[i];
    for (int64_t n = 0; n < dims[0]; ++n) {
      std::copy_n(x.begin() + n * columns, std::min(columns, taken), y.begin() + n * dims[1] + first);
    }
    first += taken;
  }
  c.set_doubles(0, E::f32, dims, y);
  return {};
}

// ---- OneHotEncoder

struct OneHotEncoderAttrs {
  std::vector<int64_t> cats_int64s;
  std::vector<std::string> cats_strings;
  bool zeros = true;  ///< an unknown category is all zeros; else a fault
  bool operator==(const OneHotEncoderAttrs&) const = default;
  static constexpr auto fields() {
    using A = OneHotEncoderAttrs;
    return std::tuple{field("cats_int64s", &A::cats_int64s), field("cats_strings", &A::cats_strings), field("zeros", &A::zeros)};
  }
};

Status infer_one_hot(InferContext& c) {
  const auto& a = c.attrs<OneHotEncoderAttrs>();
  if (a.cats_int64s.empty() == a.cats_strings.empty())
    return Error(ErrorCode::invalid_model, "exactly one of cats_int64s and cats_strings must be given");
  if (c.type(0) != ElementType::undefined && (c.type(0) == E::string) == a.cats_strings.empty())
    return Error(ErrorCode::invalid_model, "the input and the categories must both be strings or both be numbers");
  std::optional<Shape> out;
  if (const Shape* x = c.shape(0)) {
    out = *x;
    out->push_back(Dim(static_cast<int64_t>(std::max(a.cats_int64s.size(), a.cats_strings.size()))));
    TRY(check_size(*out));
  }
  c.set(0, E::f32, std::move(out));
  return {};
}

/// Where an element stands among the categories; their number when it does not.
template <class T>
size_t category(const std::vector<T>& categories, const T& value) {
  return static_cast<size_t>(std::find(categories.begin(), categories.end(), value) - categories.begin());
}

Status run_one_hot(RefContext& c) {
  const auto& a = c.attrs<OneHotEncoderAttrs>();
  const Dims dims = TRY(actual_dims(c));
  const Tensor& x = c.in(0);
  const auto width = static_cast<size_t>(dims.back());
  std::vector<double> y(static_cast<size_t>(dims.count()));
  for (int64_t i = 0; i < x.count(); ++i) {
    const size_t at = x.type() == E::string ? category(a.cats_strings, x.as<std::string>()[i])
                                            : category(a.cats_int64s, load_int64(x.data(), x.type(), i));
    if (at < width) {
      y[static_cast<size_t>(i) * width + at] = 1;
    } else if (!a.zeros) {
      return fail(ErrorCode::data_fault, "element {} is none of the {} categories", i, width);
    }
  }
  c.set_doubles(0, E::f32, dims, y);
  return {};
}

std::vector<Sample> extractor_samples() {
  return {{"matrix", NoAttrs{}, {{sample::counting({3, 4})}, {sample::ints({3, 0})}}},
          {"row", NoAttrs{}, {{sample::counting(E::i64, {5})}, {sample::ints({1, 1, 4})}}},
          {"strings", NoAttrs{}, {{sample::counting(E::string, {2, 2})}, {sample::numbers(E::i64, {1, 1}, {1})}}}};
}

std::vector<Sample> vectorizer_samples() {
  using A = FeatureVectorizerAttrs;
  return {{"all", A{}, {{sample::counting({2, 3})}, {sample::counting({2, 1}, 9)}}},
          {"cut_and_filled", A{{2, 4}}, {{sample::counting(E::i64, {2, 3})}, {sample::counting(E::i64, {2, 1}, 9)}}},
          {"rows", A{{2, 1}}, {{sample::counting(E::f64, {2})}, {sample::counting(E::f64, {1}, 9)}}}};
}

std::vector<Sample> one_hot_samples() {
  using A = OneHotEncoderAttrs;
  return {{"numbers", A{{3, 1, 2}, {}}, {{sample::counting(E::i64, {2, 2})}}},
          {"reals", A{{0, 1, 2}, {}}, {{sample::floats({3}, {1.5, 0, -3})}}},
          {"strings", A{{}, {"a", "b"}, false}, {{sample::strings({3}, {"b", "a", "b"})}}}};
}

}  // namespace

OpFamily feature_vectors() {
  return {Op("ArrayFeatureExtractor", {1}, kMl)
              .in("X", kFeatures | kString)
              .in("Y", types(E::i64), 'I')
              .out("Z")
              .infer(infer_extractor)
              .reference(run_extractor)
              .samples(extractor_samples)
              .doc("Columns of the last axis, by their numbers."),
          Op("FeatureVectorizer", {1}, kMl)
              .attrs<FeatureVectorizerAttrs>()
              .in_list("X", kFeatures)
              .out("Y", types(E::f32), 0)
              .infer(infer_vectorizer)
              .reference(run_vectorizer)
              .samples(vectorizer_samples)
              .doc("Rows of features joined into longer rows."),
          Op("OneHotEncoder", {1}, kMl)
              .attrs<OneHotEncoderAttrs>()
              .in("X", kFeatures | kString)
              .out("Y", types(E::f32), 0)
              .infer(infer_one_hot)
              .reference(run_one_hot)
              .samples(one_hot_samples)
              .doc("Each element as a row with a 1 at its category.")};
}

}  // namespace slipway::ops
