// LinearAttention: attention as a recurrence over a state of keys by values, in four update rules.
#include <cmath>

#include "ops/moves.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

/// Inputs: query [B, T, Hq*K], key [B, T, H*K], value [B, T, H*V], past_state [B, H, K, V], decay [B, T, H or H*K],
/// beta [B, T, H or 1].
struct LinearAttentionAttrs {
  int64_t q_num_heads = 0, kv_num_heads = 0;
  std::string update_rule = "gated_delta";  ///< linear | gated | delta | gated_delta
  float scale = 0;                          ///< 0: 1 / sqrt(K)
  int64_t chunk_size = 64;                  ///< a hint without meaning for the answer
  bool operator==(const LinearAttentionAttrs&) const = default;
  static constexpr auto fields() {
    using A = LinearAttentionAttrs;
    return std::tuple{field("q_num_heads", &A::q_num_heads, true), field("kv_num_heads", &A::kv_num_heads, true),
                      field("update_rule", &A::update_rule), field("scale", &A::scale), field("chunk_size", &A::chunk_size)};
  }
  bool gated() const { return update_rule == "gated" || update_rule == "gated_delta"; }
  bool delta() const { return update_rule == "delta" || update_rule == "gated_delta"; }
};

Status check_attrs(const LinearAttentionAttrs& a, bool decay, bool beta) {
  if (a.kv_num_heads < 1 || a.q_num_heads < 1 || a.q_num_heads % a.kv_num_heads != 0) {
    return fail(ErrorCode::invalid_model, "q_num_heads {} must be a positive multiple of kv_num_heads {}", a.q_num_heads,
                a.kv_num_heads);
  }
  if (!a.gated() && !a.delta() && a.update_rule != "linear") {
    return fail(ErrorCode::invalid_model, "update_rule '{}' is not one of linear, gated, delta, gated_delta", a.update_rule);
  }
  if (a.gated() != decay || a.delta() != beta) {
    return fail(ErrorCode::invalid_model, "update_rule '{}' goes {} decay and {} beta", a.update_rule,
                a.gated() ? "with" : "without", a.delta() ? "with" : "without");
  }
  return {};
}

Status infer(InferContext& c) {
  const auto& a = c.attrs<LinearAttentionAttrs>();
  TRY(check_attrs(a, c.has_input(4), c.has_input(5)));
  const Shape* in[6] = {c.shape(0), c.shape(1), c.shape(2), c.shape(3), c.shape(4), c.shape(5)};
  for (size_t i : {0, 1, 2, 4, 5}) {
    if (in[i] == nullptr) continue;
    if (in[i]->size() != 3) return fail(ErrorCode::invalid_model, "input {} has {} axes; 3 are expected", i, in[i]->size());
    if (in[0] != nullptr) {
      TRY(same_extent((*in[0])[0], (*in[i])[0], 0));
      TRY(same_extent((*in[0])[1], (*in[i])[1], 1));
    }
  }
  const auto per_head = [](const Shape* shape, int64_t heads) -> Result<Dim> {
    if (shape == nullptr) return Dim::unknown();
    const Dim columns = shape->back();
    if (columns.known() && columns.value() % heads != 0) {
      return fail(ErrorCode::invalid_model, "{} columns do not divide into {} heads", columns.value(), heads);
    }
    return columns / Dim(heads);
  };
  const Dim keys = TRY(same_extent(TRY(per_head(in[0], a.q_num_heads)), TRY(per_head(in[1], a.kv_num_heads)), 2));
  const Dim values = TRY(per_head(in[2], a.kv_num_heads));
  const Dim rows = in[0] != nullptr ? (*in[0])[0] : Dim::unknown(), steps = in[0] != nullptr ? (*in[0])[1] : Dim::unknown();
  const auto fits = [](const Shape* shape, Dim one, Dim other) {
    return shape == nullptr || !shape->back().known() || !other.known() || shape->back() == one || shape->back() == other;
  };
  if (!fits(in[4], Dim(a.kv_num_heads), keys * Dim(a.kv_num_heads)) || !fits(in[5], Dim(a.kv_num_heads), Dim(1))) {
    return Error(ErrorCode::invalid_model, "the columns of decay must be the heads or the keys, those of beta the heads or 1");
  }
  Shape state{rows, Dim(a.kv_num_heads), keys, values};
  if (in[3] != nullptr) {
    if (in[3]->size() != 4) return fail(ErrorCode::invalid_model, "past_state has {} axes; 4 are expected", in[3]->size());
    for (size_t axis = 0; axis < 4; ++axis) state[axis] = TRY(same_extent(state[axis], (*in[3])[axis], axis));
  }
  c.set(0, c.type(0), Shape{rows, steps, values * Dim(a.q_num_heads)});
  c.set(1, c.has_input(3) ? c.type(3) : c.type(0), std::move(state));
  return {};
}

/// One head of keys: its state, K rows of V.
struct Head {
  double* state;
  int64_t keys, values;

  void decay(const double* gate, bool per_key) {
    for (int64_t k = 0; k < keys; ++k) {
      const double factor = std::exp(gate[per_key ? k : 0]);
      for (int64_t v = 0; v < values; ++v) state[k * values + v] *= factor;
    }
  }
  /// row += factor * key^T S
  void read(const double* key, double factor, double* row) const {
    for (int64_t k = 0; k < keys; ++k) {
      for (int64_t v = 0; v < values; ++v) row[v] += factor * key[k] * state[k * values + v];
    }
  }
  void write(const double* key, const double* row) {
    for (int64_t k = 0; k < keys; ++k) {
      for (int64_t v = 0; v < values; ++v) state[k * values + v] += key[k] * row[v];
    }
  }
};

Status run(RefContext& c) {
  const auto& a = c.attrs<LinearAttentionAttrs>();
  TRY(actual_facts(c));
  const Dims d = c.in(0).dims();
  const int64_t heads = a.kv_num_heads, group = a.q_num_heads / heads, keys = d[2] / a.q_num_heads,
                values = c.in(2).dims()[2] / heads;
  const std::vector<double> query = c.doubles(0), key = c.doubles(1), value = c.doubles(2);
  const std::vector<double> decay = c.has(4) ? c.doubles(4) : std::vector<double>();
  const std::vector<double> beta = c.has(5) ? c.doubles(5) : std::vector<double>();
  const int64_t gates = c.has(4) ? c.in(4).dims()[2] : 0, betas = c.has(5) ? c.in(5).dims()[2] : 0;
  const bool per_key = gates != heads;
  const Dims state_dims{d[0], heads, keys, values};
  std::vector<double> state = c.has(3) ? c.doubles(3) : std::vector<double>(static_cast<size_t>(state_dims.count()));
  const Dims y_dims{d[0], d[1], a.q_num_heads * values};
  std::vector<double> y(static_cast<size_t>(y_dims.count())), row(static_cast<size_t>(values));
  const double scale = a.scale != 0 ? double{a.scale} : 1 / std::sqrt(static_cast<double>(keys));
  for (int64_t at = 0; at < d[0] * d[1]; ++at) {  // batch and step
    for (int64_t h = 0; h < heads; ++h) {
      Head head{state.data() + (at / d[1] * heads + h) * keys * values, keys, values};
      const double* now = key.data() + (at * heads + h) * keys;
      if (a.gated()) head.decay(decay.data() + at * gates + h * (per_key ? keys : 1), per_key);
      std::copy_n(value.begin() + (at * heads + h) * values, values, row.begin());
      if (a.delta()) {
        head.read(now, -1, row.data());
        for (double& v : row) v *= beta[static_cast<size_t>(at * betas + (betas == 1 ? 0 : h))];
      }
      head.write(now, row.data());
      for (int64_t q = h * group; q < (h + 1) * group; ++q) {
        const int64_t place = at * a.q_num_heads + q;
        head.read(query.data() + place * keys, scale, y.data() + place * values);
      }
    }
  }
  c.set_doubles(0, c.in(0).type(), y_dims, y);
  c.set_doubles(1, c.has(3) ? c.in(3).type() : c.in(0).type(), state_dims, state);
  return {};
}

std::vector<Sample> samples() {
  using A = LinearAttentionAttrs;
  using sample::absent;
  using sample::noise;
  const SampleInput q{noise({2, 3, 16})}, k{noise({2, 3, 8}, 2)}, v{noise({2, 3, 10}, 3)}, past{noise({2, 2, 4, 5}, 4)};
  const SampleInput gate{sample::random({2, 3, 2}, -1, 0, 5)}, gates{sample::random({2, 3, 8}, -1, 0, 5)};
  const SampleInput beta{sample::random({2, 3, 2}, 0, 1, 6)}, one{sample::random({2, 3, 1}, 0, 1, 6)};
  return {{"linear", A{4, 2, "linear"}, {q, k, v}, 2},
          {"gated_past", A{4, 2, "gated"}, {q, k, v, past, gates}, 2},
          {"delta", A{4, 2, "delta", 0.5f}, {q, k, v, absent(), absent(), one}, 2},
          {"gated_delta", A{4, 2}, {q, k, v, past, gate, beta}, 2}};
}

}  // namespace

OpFamily linear_attention() {
  constexpr TypeSet kTypes = types(E::f32, E::f16, E::bf16);
  return {Op("LinearAttention", {27})
              .attrs<LinearAttentionAttrs>()
              .in("query", kTypes)
              .in("key", kTypes)
              .in("value", kTypes)
              .opt("past_state", kTypes, 'S')
              .opt("decay", kTypes)
              .opt("beta", kTypes)
              .out("output")
              .out("present_state", kTypes, 0)
              .infer(infer)
              .reference(run)
              .samples(samples)
              .tolerance(Tolerance::rounding)
              .doc("Attention as a recurrence over a state, linear or gated, with or without the delta rule.")};
}

}  // namespace slipway::ops
