// RotaryEmbedding: positions woven into heads by rotating pairs of elements.
#include "ops/concat.hpp"
#include "ops/function.hpp"
#include "ops/op.hpp"
#include "ops/reference.hpp"
#include "ops/sample.hpp"
#include "ops/shape.hpp"
#include "ops/transpose.hpp"

namespace slipway::ops {
namespace {

/// Inputs: X, cos_cache, sin_cache, position_ids.
struct RotaryEmbeddingAttrs {
  bool interleaved = false;
  std::optional<int64_t> num_heads;  ///< for inputs of rank 3 [batch, sequence, hidden]
  int64_t rotary_embedding_dim = 0;  ///< 0: the whole head
  bool operator==(const RotaryEmbeddingAttrs&) const = default;
  static constexpr auto fields() {
    using A = RotaryEmbeddingAttrs;
    return std::tuple{field("interleaved", &A::interleaved), field("num_heads", &A::num_heads),
                      field("rotary_embedding_dim", &A::rotary_embedding_dim)};
  }
};

/// Where the heads of X lie: [batch, heads, sequence, size] or [batch, sequence, heads * size].
struct Layout {
  int64_t batch, heads, length, size;
  bool flat;
  int64_t row(int64_t n, int64_t h, int64_t i) const {
    return (flat ? (n * length + i) * heads + h : (n * heads + h) * length + i) * size;
  }
};

Status check_heads(const RotaryEmbeddingAttrs& a, const Shape& x) {
  if (x.size() == 4) return {};
  if (x.size() != 3) return fail(ErrorCode::invalid_model, "X has {} axes; 3 or 4 are expected", x.size());
  if (!a.num_heads || *a.num_heads < 1)
    return Error(ErrorCode::invalid_model, "X has 3 axes, so num_heads must say how to split it");
  if (x[2].known() && x[2].value() % *a.num_heads != 0) {
    return fail(ErrorCode::invalid_model, "the {} columns of X do not divide into {} heads", x[2].value(), *a.num_heads);
  }
  return {};
}

Status infer(InferContext& c) {
  if (c.shape(0) != nullptr) TRY(check_heads(c.attrs<RotaryEmbeddingAttrs>(), *c.shape(0)));
  c.set(0, c.type(0), c.input(0).shape);
  return {};
}

Status run(RefContext& c) {
  const RotaryEmbeddingAttrs& a = c.attrs<RotaryEmbeddingAttrs>();
  const Dims d = c.in(0).dims();
  TRY(check_heads(a, Shape(d.begin(), d.end())));
  const bool flat = d.rank() == 3;
  const Layout x = flat ? Layout{d[0], *a.num_heads, d[1], d[2] / *a.num_heads, true} : Layout{d[0], d[1], d[2], d[3], false};
  std::vector<double> v = c.doubles(0);
  const int64_t turned = a.rotary_embedding_dim != 0 ? a.rotary_embedding_dim : x.size, half = turned / 2;
  const Dims cd = c.in(1).dims(), expected = c.has(3) ? Dims{cd.rank() > 0 ? cd[0] : 0, half} : Dims{x.batch, x.length, half};
  if (turned < 0 || turned > x.size || turned % 2 != 0 || cd != expected || c.in(2).dims() != expected) {
    return fail(ErrorCode::invalid_model, "cos_cache {} and sin_cache {} do not fit; {} is expected", to_string(cd),
                to_string(c.in(2).dims()), to_string(expected));
  }
  const std::vector<double> cosines = c.doubles(1), sines = c.doubles(2);
  const std::vector<int64_t> positions = c.has(3) ? c.ints(3) : std::vector<int64_t>();
  if (c.has(3) && static_cast<int64_t>(positions.size()) != x.batch * x.length) {
    return fail(ErrorCode::invalid_model, "position_ids has {} elements; {} are expected", positions.size(), x.batch * x.length);
  }
  for (int64_t n = 0; n < x.batch; ++n) {
    for (int64_t i = 0; i < x.length; ++i) {
      int64_t place = n * x.length + i;
      if (c.has(3)) {
        place = positions[static_cast<size_t>(place)];
        if (place < 0 || place >= cd[0])
          return fail(ErrorCode::data_fault, "position {} is outside the cache of {}", place, cd[0]);
      }
      for (int64_t h = 0; h < x.heads; ++h) {
        double* row = v.data() + x.row(n, h, i);
        for (int64_t k = 0; k < half; ++k) {
          double &real = row[a.interleaved ? 2 * k : k], &imaginary = row[a.interleaved ? 2 * k + 1 : k + half];
          const double cosine = cosines[static_cast<size_t>(place * half + k)],
                       sine = sines[static_cast<size_t>(place * half + k)];
          const double turned_real = cosine * real - sine * imaginary;
          imaginary = sine * real + cosine * imaginary;
          real = turned_real;
        }
      }
    }
  }
  c.set_doubles(0, c.in(0).type(), d, v);
  return {};
}

std::vector<Sample> samples() {
  using A = RotaryEmbeddingAttrs;
  using sample::noise;
  return {{"whole_head", A{}, {{noise({2, 3, 4, 8})}, {noise({2, 4, 4}, 2)}, {noise({2, 4, 4}, 3)}}},
          {"positions",
           A{},
           {{noise({2, 3, 4, 8})},
            {noise({9, 4}, 2)},
            {noise({9, 4}, 3)},
            {sample::numbers(E::i64, {2, 4}, {0, 1, 2, 3, 8, 7, 0, 4})}}},
          {"interleaved_part",
           A{.interleaved = true, .rotary_embedding_dim = 4},
           {{noise({1, 2, 3, 8})}, {noise({1, 3, 2}, 2)}, {noise({1, 3, 2}, 3)}}},
          {"rank3", A{.num_heads = 3}, {{noise({2, 4, 24})}, {noise({2, 4, 4}, 2)}, {noise({2, 4, 4}, 3)}}}};
}

// ---- com.microsoft

/// Inputs: X, position_ids ([1]: of the first place, or one for each place), cos_cache, sin_cache.
struct PlacedRotaryAttrs {
  bool interleaved = false, is_packed_batching = false;
  int64_t num_heads = 0;             ///< 0: as many as the cache's columns say
  int64_t rotary_embedding_dim = 0;  ///< 0: the whole head
  float scale = 1;                   ///< no runtime has given it a meaning
  bool operator==(const PlacedRotaryAttrs&) const = default;
  static constexpr auto fields() {
    using A = PlacedRotaryAttrs;
    return std::tuple{field("interleaved", &A::interleaved), field("is_packed_batching", &A::is_packed_batching),
                      field("num_heads", &A::num_heads), field("rotary_embedding_dim", &A::rotary_embedding_dim),
                      field("scale", &A::scale)};
  }
};

void placed_body(FunctionBody& b) {
  const auto& a = b.attrs<PlacedRotaryAttrs>();
  RotaryEmbeddingAttrs out{.interleaved = a.interleaved, .rotary_embedding_dim = a.rotary_embedding_dim};
  const size_t rank = b.rank(b.in(0)), place_rank = b.rank(b.in(1));
  if (b.error()) return;
  if (rank == 3 && a.num_heads > 0) out.num_heads = a.num_heads;
  const bool split = rank == 3 && a.num_heads == 0;  // into heads as wide as the cache says
  ir::ValueId x = b.in(0);
  if (split) {
    const ir::ValueId half = b.node("Shape", ShapeAttrs{.start = 1, .end = 2}, {b.in(2)});
    const ir::ValueId shape = b.node("Concat", ConcatAttrs{0}, {b.ints({0, 0, -1}), b.node("Add", {half, half})});
    x = b.node("Transpose", TransposeAttrs{{0, 2, 1, 3}}, {b.node("Reshape", {x, shape})});
  }
  ir::ValueId places = b.in(1);
  if (place_rank == 1) {
    const int64_t axis = rank == 3 ? 1 : 2;
    const ir::ValueId rows = b.node("Shape", ShapeAttrs{.start = 0, .end = 1}, {b.in(0)});
    const ir::ValueId length = b.node("Shape", ShapeAttrs{.start = axis, .end = axis + 1}, {b.in(0)});
    const ir::ValueId line = b.node("Range", {b.number(E::i64, 0), b.node("Squeeze", {length}), b.number(E::i64, 1)});
    places = b.node("Expand", {b.node("Add", {line, places}), b.node("Concat", ConcatAttrs{0}, {rows, length})});
  }
  const ir::ValueId y = b.node("RotaryEmbedding", out, {x, b.in(2), b.in(3), places});
  b.set(0, split ? b.node("Reshape", {b.node("Transpose", TransposeAttrs{{0, 2, 1, 3}}, {y}), b.ints({0, 0, -1})}) : y);
}

std::vector<Sample> placed_samples() {
  using A = PlacedRotaryAttrs;
  using sample::noise;
  const SampleInput cosines{noise({9, 4}, 2)}, sines{noise({9, 4}, 3)};
  return {{"first_place", A{}, {{noise({2, 3, 16})}, {sample::ints({2})}, cosines, sines}},
          {"every_place",
           A{.interleaved = true},
           {{noise({2, 2, 3, 8})}, {sample::numbers(E::i64, {2, 3}, {0, 1, 2, 5, 6, 8})}, cosines, sines}},
          {"part", A{.num_heads = 1, .rotary_embedding_dim = 8}, {{noise({1, 3, 12})}, {sample::ints({0})}, cosines, sines}}};
}

}  // namespace

OpFamily rotary_embedding() {
  constexpr TypeSet kTypes = types(E::f32, E::f16, E::bf16);
  return {function<placed_body, PlacedRotaryAttrs>(Op("RotaryEmbedding", {1}, "com.microsoft")
                                                       .in("input", kTypes)
                                                       .in("position_ids", types(E::i64), 'I')
                                                       .in("cos_cache", kTypes)
                                                       .in("sin_cache", kTypes)
                                                       .out("output"))
              .samples(placed_samples)
              .doc("Positions woven into heads by rotation."),
          Op("RotaryEmbedding", {23})
              .attrs<RotaryEmbeddingAttrs>()
              .in("X", types(E::f32, E::f16, E::bf16))
              .in("cos_cache", types(E::f32, E::f16, E::bf16))
              .in("sin_cache", types(E::f32, E::f16, E::bf16))
              .opt("position_ids", types(E::i64), 'I')
              .out("Y")
              .infer(infer)
              .reference(run)
              .samples(samples)
              .tolerance(Tolerance::rounding)
              .doc("Positions woven into heads by rotation")};
}

}  // namespace slipway::ops
