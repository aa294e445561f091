// RandomNormal, RandomUniform, their Like forms, Multinomial and Bernoulli. Seeded nodes give the same numbers on every machine.
#include <atomic>
#include <bit>
#include <cmath>
#include <numbers>

#include "ops/elementwise.hpp"
#include "ops/moves.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

/// splitmix64.
class Generator {
 public:
  /// Without a seed every generator of the process starts elsewhere.
  explicit Generator(std::optional<float> seed) {
    static std::atomic<uint64_t> unseeded{0x9e3779b97f4a7c15u};
    state_ = seed ? std::bit_cast<uint32_t>(*seed) : unseeded.fetch_add(0xd1b54a32d192ed03u, std::memory_order_relaxed);
    next();
  }
  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  /// In [0, 1), a multiple of 2^-53.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  /// Mean 0, variance 1 (Box and Muller).
  double normal() {
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }

 private:
  uint64_t state_ = 0;
};

struct NormalAttrs {
  std::vector<int64_t> shape;
  ElementType dtype = ElementType::f32;
  float mean = 0, scale = 1;
  std::optional<float> seed;
  bool operator==(const NormalAttrs&) const = default;
  static constexpr auto fields() {
    using A = NormalAttrs;
    return std::tuple{field("shape", &A::shape, true), field("dtype", &A::dtype), field("seed", &A::seed),
                      field("scale", &A::scale), field("mean", &A::mean)};
  }
};

struct UniformAttrs {
  std::vector<int64_t> shape;
  ElementType dtype = ElementType::f32;
  float low = 0, high = 1;
  std::optional<float> seed;
  bool operator==(const UniformAttrs&) const = default;
  static constexpr auto fields() {
    using A = UniformAttrs;
    return std::tuple{field("shape", &A::shape, true), field("dtype", &A::dtype), field("seed", &A::seed),
                      field("high", &A::high), field("low", &A::low)};
  }
};

struct NormalLikeAttrs {
  std::optional<ElementType> dtype;
  float mean = 0, scale = 1;
  std::optional<float> seed;
  bool operator==(const NormalLikeAttrs&) const = default;
  static constexpr auto fields() {
    using A = NormalLikeAttrs;
    return std::tuple{field("dtype", &A::dtype), field("seed", &A::seed), field("scale", &A::scale), field("mean", &A::mean)};
  }
};

struct UniformLikeAttrs {
  std::optional<ElementType> dtype;
  float low = 0, high = 1;
  std::optional<float> seed;
  bool operator==(const UniformLikeAttrs&) const = default;
  static constexpr auto fields() {
    using A = UniformLikeAttrs;
    return std::tuple{field("dtype", &A::dtype), field("seed", &A::seed), field("high", &A::high), field("low", &A::low)};
  }
};

Status expect_type(ElementType type, TypeSet allowed) {
  if (contains(allowed, type)) return {};
  return fail(ErrorCode::invalid_model, "numbers of type {} cannot be drawn", name(type));
}

template <class Attrs>
Status infer_of_shape(InferContext& c) {
  const auto& attrs = c.attrs<Attrs>();
  TRY(expect_type(attrs.dtype, kFloat));
  for (const int64_t d : attrs.shape) {
    if (d < 0) return fail(ErrorCode::invalid_model, "the shape has the extent {}", d);
  }
  Shape out(attrs.shape.begin(), attrs.shape.end());
  TRY(check_size(out));
  c.set(0, attrs.dtype, std::move(out));
  return {};
}

template <class Attrs>
Status infer_like(InferContext& c) {
  const ElementType type = c.attrs<Attrs>().dtype.value_or(c.type(0));
  if (type != ElementType::undefined) TRY(expect_type(type, kFloat));
  return infer_like_input(c, type);
}

template <class Attrs>
Status run_normal(RefContext& c) {
  const auto& attrs = c.attrs<Attrs>();
  const Fact fact = TRY(actual_facts(c))[0];
  Tensor y = c.out(0, fact.type, fact.dims());
  Generator generator(attrs.seed);
  for (int64_t i = 0; i < y.count(); ++i) {
    store<double>(y, i, static_cast<double>(attrs.mean) + static_cast<double>(attrs.scale) * generator.normal());
  }
  return {};
}

template <class Attrs>
Status run_uniform(RefContext& c) {
  const auto& attrs = c.attrs<Attrs>();
  const Fact fact = TRY(actual_facts(c))[0];
  Tensor y = c.out(0, fact.type, fact.dims());
  const double low = attrs.low, width = static_cast<double>(attrs.high) - low;
  Generator generator(attrs.seed);
  for (int64_t i = 0; i < y.count(); ++i) store<double>(y, i, low + width * generator.uniform());
  return {};
}

// ---- Multinomial

struct MultinomialAttrs {
  ElementType dtype = ElementType::i32;
  int64_t sample_size = 1;
  std::optional<float> seed;
  bool operator==(const MultinomialAttrs&) const = default;
  static constexpr auto fields() {
    using A = MultinomialAttrs;
    return std::tuple{field("dtype", &A::dtype), field("seed", &A::seed), field("sample_size", &A::sample_size)};
  }
};

Status infer_multinomial(InferContext& c) {
  const auto& attrs = c.attrs<MultinomialAttrs>();
  TRY(expect_type(attrs.dtype, kIndex));
  if (attrs.sample_size < 0) return fail(ErrorCode::invalid_model, "sample_size is {}", attrs.sample_size);
  Shape out = {Dim::unknown(), attrs.sample_size};
  if (const Shape* in = c.shape(0)) {
    if (in->size() != 2) return fail(ErrorCode::invalid_model, "the input has the rank {}, it must be 2", in->size());
    if ((*in)[1].known() && (*in)[1].value() == 0) return fail(ErrorCode::invalid_model, "there is no class to draw");
    out[0] = (*in)[0];
  }
  TRY(check_size(out));
  c.set(0, attrs.dtype, std::move(out));
  return {};
}

/// The input holds unnormalised log probabilities: a class is drawn by exp(x - max).
Status run_multinomial(RefContext& c) {
  const auto& attrs = c.attrs<MultinomialAttrs>();
  Tensor y = c.out(0, attrs.dtype, TRY(actual_dims(c)));
  const std::vector<double> logits = c.doubles(0);
  const auto classes = static_cast<size_t>(c.in(0).dims()[1]);
  Generator generator(attrs.seed);
  for (int64_t row = 0; row < y.dims()[0]; ++row) {
    const double* x = logits.data() + static_cast<size_t>(row) * classes;
    const double top = *std::max_element(x, x + classes);
    std::vector<double> sums(classes);
    double sum = 0;
    for (size_t k = 0; k < classes; ++k) sums[k] = sum += std::exp(x[k] - top);
    for (int64_t i = 0; i < attrs.sample_size; ++i) {
      const auto at = std::upper_bound(sums.begin(), sums.end(), generator.uniform() * sum) - sums.begin();
      store<int64_t>(y, row * attrs.sample_size + i, std::min<int64_t>(at, static_cast<int64_t>(classes) - 1));
    }
  }
  return {};
}

// ---- Bernoulli

struct BernoulliAttrs {
  std::optional<ElementType> dtype;
  std::optional<float> seed;
  bool operator==(const BernoulliAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("dtype", &BernoulliAttrs::dtype), field("seed", &BernoulliAttrs::seed)};
  }
};

Status infer_bernoulli(InferContext& c) {
  const ElementType type = c.attrs<BernoulliAttrs>().dtype.value_or(c.type(0));
  if (type != ElementType::undefined) TRY(expect_type(type, kNumeric | kBool));
  return infer_like_input(c, type);
}

Status run_bernoulli(RefContext& c) {
  const auto& attrs = c.attrs<BernoulliAttrs>();
  Tensor y = c.out(0, attrs.dtype.value_or(c.in(0).type()), TRY(actual_dims(c)));
  Generator generator(attrs.seed);
  for (int64_t i = 0; i < y.count(); ++i) store<double>(y, i, generator.uniform() < load<double>(c.in(0), i) ? 1 : 0);
  return {};
}

using sample::counting;
using sample::floats;

std::vector<Sample> normal_samples() {
  return {{"seeded", NormalAttrs{{3, 4}, ElementType::f32, 1, 2, 7.0F}, {}},
          {"f16", NormalAttrs{{5}, ElementType::f16}, {}},
          {"empty", NormalAttrs{{0, 2}, ElementType::f64}, {}}};
}
std::vector<Sample> uniform_samples() {
  return {{"seeded", UniformAttrs{{3, 4}, ElementType::f32, -1, 1, 7.0F}, {}},
          {"bf16", UniformAttrs{{5}, ElementType::bf16}, {}}};
}
std::vector<Sample> normal_like_samples() {
  return {{"same_type", NormalLikeAttrs{}, {{counting({2, 3})}}},
          {"typed", NormalLikeAttrs{ElementType::f64, 0, 1, 3.0F}, {{counting(ElementType::i8, {4})}}}};
}
std::vector<Sample> uniform_like_samples() {
  return {{"same_type", UniformLikeAttrs{}, {{counting(ElementType::f16, {2, 3})}}},
          {"typed", UniformLikeAttrs{ElementType::f32, 2, 3, 3.0F}, {{counting(ElementType::string, {4})}}}};
}
std::vector<Sample> multinomial_samples() {
  return {{"two_rows", MultinomialAttrs{ElementType::i32, 5, 1.0F}, {{floats({2, 3}, {0, 1, 2, 3, -50, -50})}}},
          {"i64", MultinomialAttrs{ElementType::i64, 2}, {{counting(ElementType::f16, {1, 4})}}}};
}
std::vector<Sample> bernoulli_samples() {
  return {{"same_type", BernoulliAttrs{std::nullopt, 2.0F}, {{floats({4}, {0, 1, 0.5, 0.25})}}},
          {"bool", BernoulliAttrs{ElementType::boolean}, {{floats({2}, {0.5, 1})}}}};
}

}  // namespace

OpFamily random_values() {
  constexpr uint32_t kRandom = ir::OpInfo::kRandom;
  constexpr TypeSet kAnyInput = kNumeric | kBool | kString | kComplex;
  return {Op("RandomNormal", {1, 22})
              .attrs<NormalAttrs>()
              .out("output", kFloat)
              .flag(kRandom)
              .tolerance(Tolerance::random)
              .infer(infer_of_shape<NormalAttrs>)
              .reference(run_normal<NormalAttrs>)
              .samples(normal_samples)
              .doc("Normally distributed numbers."),
          Op("RandomUniform", {1, 22})
              .attrs<UniformAttrs>()
              .out("output", kFloat)
              .flag(kRandom)
              .tolerance(Tolerance::random)
              .infer(infer_of_shape<UniformAttrs>)
              .reference(run_uniform<UniformAttrs>)
              .samples(uniform_samples)
              .doc("Uniformly distributed numbers from low up to high."),
          Op("RandomNormalLike", {1, 22})
              .attrs<NormalLikeAttrs>()
              .in("input", kAnyInput, 'X')
              .out("output", kFloat, 'Y')
              .flag(kRandom)
              .tolerance(Tolerance::random)
              .infer(infer_like<NormalLikeAttrs>)
              .reference(run_normal<NormalLikeAttrs>)
              .samples(normal_like_samples)
              .doc("Normally distributed numbers in the shape of the input."),
          Op("RandomUniformLike", {1, 22})
              .attrs<UniformLikeAttrs>()
              .in("input", kAnyInput, 'X')
              .out("output", kFloat, 'Y')
              .flag(kRandom)
              .tolerance(Tolerance::random)
              .infer(infer_like<UniformLikeAttrs>)
              .reference(run_uniform<UniformLikeAttrs>)
              .samples(uniform_like_samples)
              .doc("Uniformly distributed numbers in the shape of the input."),
          Op("Multinomial", {7, 22})
              .attrs<MultinomialAttrs>()
              .in("input", kFloat, 'X')
              .out("output", kIndex, 'Y')
              .flag(kRandom)
              .tolerance(Tolerance::random)
              .infer(infer_multinomial)
              .reference(run_multinomial)
              .samples(multinomial_samples)
              .doc("Classes drawn by their unnormalised log probabilities."),
          Op("Bernoulli", {15, 22})
              .attrs<BernoulliAttrs>()
              .in("input", kFloat, 'X')
              .out("output", kNumeric | kBool, 'Y')
              .flag(kRandom)
              .tolerance(Tolerance::random)
              .infer(infer_bernoulli)
              .reference(run_bernoulli)
              .samples(bernoulli_samples)
              .doc("1 with the probability that the input says, else 0.")};
}

}  // namespace slipway::ops
