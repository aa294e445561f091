// Attention: scaled dot products of queries and keys, masked, normalised, weighing the values; grouped heads, caches and windows.
#include "ops/attention.hpp"

#include <cmath>
#include <limits>

#include "ops/op.hpp"
#include "ops/reference.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

enum Input { kQ, kK, kV, kMask, kPastKey, kPastValue, kNonPad };
enum Output { kY, kPresentKey, kPresentValue, kProducts };

constexpr TypeSet kMaskTypes = kNumeric | kBool;

Status check_heads(const AttentionAttrs& a, size_t rank) {
  if (rank != 3 && rank != 4) return fail(ErrorCode::invalid_model, "Q, K and V must have rank 3 or 4, here Q has {}", rank);
  if (rank == 3 && (!a.q_num_heads || !a.kv_num_heads || *a.q_num_heads <= 0 || *a.kv_num_heads <= 0)) {
    return Error(ErrorCode::invalid_model, "q_num_heads and kv_num_heads must be given, and positive, with inputs of rank 3");
  }
  if (a.qk_matmul_output_mode < 0 || a.qk_matmul_output_mode > 3) {
    return fail(ErrorCode::invalid_model, "qk_matmul_output_mode is {}, 0..3 is allowed", a.qk_matmul_output_mode);
  }
  if (a.left_window_size < -1 || a.right_window_size < -1) {
    return Error(ErrorCode::invalid_model, "a window size must be -1 (unbounded) or not negative");
  }
  return {};
}

Dim over(Dim d, int64_t n) {
  return d.known() ? Dim(d.value() / n) : Dim::unknown();
}

/// [batch, heads, length, size] of an input of either layout.
Shape heads_first(const Shape& s, int64_t heads) {
  return s.size() == 4 ? s : Shape{s[0], Dim(heads), s[1], over(s[2], heads)};
}

Status infer(InferContext& c) {
  const auto& a = c.attrs<AttentionAttrs>();
  const Shape *q = c.shape(kQ), *k = c.shape(kK), *v = c.shape(kV);
  c.set(kY, c.type(kQ));
  c.set(kPresentKey, c.type(kK));
  c.set(kPresentValue, c.type(kV));
  c.set(kProducts, c.type(kQ));
  if (q == nullptr || k == nullptr || v == nullptr) return {};
  TRY(check_heads(a, q->size()));
  if (k->size() != q->size() || v->size() != q->size()) return Error(ErrorCode::invalid_model, "Q, K and V must have one rank");
  const auto divides = [](Dim d, int64_t n) { return !d.known() || d.value() % n == 0; };
  if (q->size() == 3 &&
      !(divides((*q)[2], *a.q_num_heads) && divides((*k)[2], *a.kv_num_heads) && divides((*v)[2], *a.kv_num_heads))) {
    return Error(ErrorCode::invalid_model, "the last axis of Q, K or V does not divide into its heads");
  }
  const Shape hq = heads_first(*q, a.q_num_heads.value_or(1)), hv = heads_first(*v, a.kv_num_heads.value_or(1));
  Shape hk = heads_first(*k, a.kv_num_heads.value_or(1)), present_v = hv;
  if (hq[3].known() && hk[3].known() && hq[3] != hk[3])
    return Error(ErrorCode::invalid_model, "the heads of Q and K differ in size");
  if (const Shape* past = c.shape(kPastKey); past != nullptr && past->size() == 4) hk[2] = hk[2] + (*past)[2];
  if (const Shape* past = c.shape(kPastValue); past != nullptr && past->size() == 4) present_v[2] = present_v[2] + (*past)[2];
  c.set(kY, c.type(kQ), q->size() == 4 ? Shape{hq[0], hq[1], hq[2], hv[3]} : Shape{hq[0], hq[2], hv[3] * hq[1]});
  c.set(kPresentKey, c.type(kK), hk);
  c.set(kPresentValue, c.type(kV), present_v);
  c.set(kProducts, c.type(kQ), Shape{hq[0], hq[1], hq[2], hk[2]});
  return {};
}

/// A tensor as [batch][heads][length][size] doubles.
struct Heads {
  int64_t batch = 0, heads = 0, length = 0, size = 0;
  std::vector<double> values;
  const double* row(int64_t b, int64_t h, int64_t l) const { return values.data() + ((b * heads + h) * length + l) * size; }
};

Heads split(const RefContext& c, size_t i, int64_t heads) {
  const Dims d = c.in(i).dims();
  std::vector<double> x = c.doubles(i);
  if (d.rank() == 4) return {d[0], d[1], d[2], d[3], std::move(x)};
  Heads out{d[0], heads, d[1], d[2] / heads, std::vector<double>(x.size())};
  size_t at = 0;
  for (int64_t b = 0; b < d[0]; ++b) {
    for (int64_t h = 0; h < heads; ++h) {
      for (int64_t l = 0; l < d[1]; ++l) {
        for (int64_t s = 0; s < out.size; ++s)
          out.values[at++] = x[static_cast<size_t>((b * d[1] + l) * d[2] + h * out.size + s)];
      }
    }
  }
  return out;
}

/// `past` [batch, heads, length, size] before `now` along the length.
Result<Heads> behind(const RefContext& c, size_t past, Heads now) {
  if (!c.has(past)) return now;
  const Dims d = c.in(past).dims();
  if (d.rank() != 4 || d[0] != now.batch || d[1] != now.heads || d[3] != now.size) {
    return fail(ErrorCode::invalid_argument, "the cache of shape {} does not fit {} heads of size {}", to_string(d), now.heads,
                now.size);
  }
  const std::vector<double> before = c.doubles(past);
  Heads out{now.batch, now.heads, now.length + d[2], now.size, {}};
  for (int64_t i = 0; i < now.batch * now.heads; ++i) {
    const auto from = before.begin() + i * d[2] * now.size;
    const auto more = now.values.begin() + i * now.length * now.size;
    out.values.insert(out.values.end(), from, from + d[2] * now.size);
    out.values.insert(out.values.end(), more, more + now.length * now.size);
  }
  return out;
}

/// What is added to the product of query i and key j: the mask, causality, windows and padding; -infinity forbids.
class Bias {
 public:
  Bias(const RefContext& c, const Dims& products) : a_(c.attrs<AttentionAttrs>()), products_(products) {
    if (c.has(kMask)) {
      mask_dims_ = c.in(kMask).dims();
      mask_ = c.doubles(kMask);
      boolean_ = c.in(kMask).type() == ElementType::boolean;
    }
    if (c.has(kPastKey)) offset_ = c.in(kPastKey).dims()[2];
    if (c.has(kNonPad)) filled_ = c.ints(kNonPad);
  }

  Status check() const {
    if (!filled_.empty() && static_cast<int64_t>(filled_.size()) != products_[0]) {
      return Error(ErrorCode::invalid_argument, "nonpad_kv_seqlen must have one number for each batch entry");
    }
    if (mask_dims_.rank() > 4) return Error(ErrorCode::invalid_argument, "the mask has more than 4 axes");
    for (int i = 1; i <= mask_dims_.rank(); ++i) {
      const int64_t m = mask_dims_[mask_dims_.rank() - i], p = products_[4 - i];
      if (m != 1 && m != p && !(i == 1 && m < p)) {  // a mask shorter than the keys forbids the rest
        return fail(ErrorCode::invalid_argument, "the mask of shape {} does not broadcast to {}", to_string(mask_dims_),
                    to_string(products_));
      }
    }
    return {};
  }

  double at(int64_t b, int64_t h, int64_t i, int64_t j) const {
    double bias = masked(b, h, i, j);
    const int64_t start = !filled_.empty() && offset_ == 0 ? filled_[static_cast<size_t>(b)] - products_[2] : offset_;
    const int64_t behind = i + start - j;
    if (a_.is_causal && behind < 0) bias = kForbidden;
    if (a_.left_window_size >= 0 && behind > a_.left_window_size) bias = kForbidden;
    if (a_.right_window_size >= 0 && -behind > a_.right_window_size) bias = kForbidden;
    if (!filled_.empty() && j >= filled_[static_cast<size_t>(b)]) bias = kForbidden;
    return bias;
  }
  static constexpr double kForbidden = -std::numeric_limits<double>::infinity();

 private:
  double masked(int64_t b, int64_t h, int64_t i, int64_t j) const {
    const int rank = mask_dims_.rank();
    if (mask_.empty()) return 0;
    const int64_t index[4] = {b, h, i, j};
    int64_t at = 0;
    for (int axis = 0; axis < rank; ++axis) {
      const int64_t extent = mask_dims_[axis], wanted = index[4 - rank + axis];
      if (axis == rank - 1 && extent != 1 && wanted >= extent) return kForbidden;
      at = at * extent + (extent == 1 ? 0 : wanted);
    }
    const double value = mask_[static_cast<size_t>(at)];
    return boolean_ ? (value != 0 ? 0 : kForbidden) : value;
  }

  const AttentionAttrs& a_;
  Dims products_, mask_dims_;
  std::vector<double> mask_;
  bool boolean_ = false;
  int64_t offset_ = 0;
  std::vector<int64_t> filled_;
};

/// In place; a row with nothing allowed becomes zeros.
void normalise(std::vector<double>& row, bool allowed) {
  double most = Bias::kForbidden, sum = 0;
  for (double v : row) most = std::max(most, v);
  for (double& v : row) sum += v = allowed ? std::exp(v - most) : 0;
  for (double& v : row) v = sum == 0 ? 0 : v / sum;
}

Status run(RefContext& c) {
  const auto& a = c.attrs<AttentionAttrs>();
  TRY(check_heads(a, static_cast<size_t>(c.in(kQ).dims().rank())));
  const Heads q = split(c, kQ, a.q_num_heads.value_or(1));
  const Heads k = TRY(behind(c, kPastKey, split(c, kK, a.kv_num_heads.value_or(1))));
  const Heads v = TRY(behind(c, kPastValue, split(c, kV, a.kv_num_heads.value_or(1))));
  if (k.batch != q.batch || v.batch != q.batch || k.size != q.size || v.length != k.length || v.heads != k.heads ||
      k.heads == 0 || q.heads % k.heads != 0) {
    return fail(ErrorCode::invalid_argument, "Q {}, K {} and V {} do not fit each other", to_string(c.in(kQ).dims()),
                to_string(c.in(kK).dims()), to_string(c.in(kV).dims()));
  }
  const Dims products{q.batch, q.heads, q.length, k.length};
  const Bias bias(c, products);
  TRY(bias.check());
  const double scale = a.scale ? static_cast<double>(*a.scale) : 1 / std::sqrt(static_cast<double>(q.size)), cap = a.softcap;
  const bool flat = c.in(kQ).dims().rank() == 3;
  std::vector<double> y(static_cast<size_t>(q.batch * q.heads * q.length * v.size)), shown;
  std::vector<double> row(static_cast<size_t>(k.length));
  for (int64_t b = 0; b < q.batch; ++b) {
    for (int64_t h = 0; h < q.heads; ++h) {
      const int64_t kv = h / (q.heads / k.heads);
      for (int64_t i = 0; i < q.length; ++i) {
        std::vector<double> stage[3] = {row, row, row};  // products, softcapped, with the bias
        bool allowed = false;
        for (int64_t j = 0; j < k.length; ++j) {
          const auto at = static_cast<size_t>(j);
          double dot = 0;
          for (int64_t s = 0; s < q.size; ++s) dot += q.row(b, h, i)[s] * k.row(b, kv, j)[s];
          const double extra = bias.at(b, h, i, j);
          allowed = allowed || extra != Bias::kForbidden;
          stage[0][at] = dot * scale;
          stage[1][at] = cap > 0 ? cap * std::tanh(stage[0][at] / cap) : stage[0][at];
          stage[2][at] = stage[1][at] + extra;
          row[at] = extra == Bias::kForbidden ? extra : stage[2][at];
        }
        normalise(row, allowed);
        const auto& show = a.qk_matmul_output_mode == 3 ? row : stage[a.qk_matmul_output_mode];
        if (c.wants(kProducts)) shown.insert(shown.end(), show.begin(), show.end());
        for (int64_t s = 0; s < v.size; ++s) {
          double sum = 0;
          for (int64_t j = 0; j < k.length; ++j) sum += row[static_cast<size_t>(j)] * v.row(b, kv, j)[s];
          const int64_t line = flat ? (b * q.length + i) * q.heads + h : (b * q.heads + h) * q.length + i;
          y[static_cast<size_t>(line * v.size + s)] = sum;
        }
      }
    }
  }
  const ElementType type = c.in(kQ).type();
  c.set_doubles(kY, type, flat ? Dims{q.batch, q.length, q.heads * v.size} : Dims{q.batch, q.heads, q.length, v.size}, y);
  c.set_doubles(kPresentKey, c.in(kK).type(), {k.batch, k.heads, k.length, k.size}, k.values);
  c.set_doubles(kPresentValue, c.in(kV).type(), {v.batch, v.heads, v.length, v.size}, v.values);
  c.set_doubles(kProducts, type, products, shown);
  return {};
}

AttentionAttrs with_heads(int64_t q, int64_t kv) {
  AttentionAttrs a;
  a.q_num_heads = q;
  a.kv_num_heads = kv;
  return a;
}

std::vector<Sample> samples() {
  using namespace sample;
  AttentionAttrs scaled = with_heads(2, 2), causal, windowed, capped;
  scaled.scale = 0.5f;
  causal.is_causal = true;
  windowed.left_window_size = 1;
  windowed.right_window_size = 0;
  capped.softcap = 2;
  const auto x = [](const Dims& dims, uint64_t seed) { return SampleInput{sample::random(dims, -2, 2, seed)}; };
  return {
      {"three_axes", with_heads(3, 3), {x({2, 5, 12}, 1), x({2, 5, 12}, 2), x({2, 5, 12}, 3)}},
      {"four_axes", AttentionAttrs{}, {x({1, 2, 3, 4}, 1), x({1, 2, 5, 4}, 2), x({1, 2, 5, 6}, 3)}},
      {"scaled_and_masked", scaled, {x({1, 4, 8}, 1), x({1, 6, 8}, 2), x({1, 6, 8}, 3), x({1, 1, 4, 6}, 4)}},
      {"bool_mask",
       with_heads(1, 1),
       {x({1, 2, 4}, 1), x({1, 3, 4}, 2), x({1, 3, 4}, 3), {numbers(ElementType::boolean, {2, 3}, {1, 0, 1, 0, 0, 0})}}},
      {"grouped_heads", with_heads(4, 2), {x({1, 3, 16}, 1), x({1, 5, 8}, 2), x({1, 5, 8}, 3)}},
      {"causal", causal, {x({1, 2, 4, 3}, 1), x({1, 2, 4, 3}, 2), x({1, 2, 4, 3}, 3)}},
      {"with_cache",
       causal,
       {x({1, 2, 2, 3}, 1), x({1, 2, 2, 3}, 2), x({1, 2, 2, 3}, 3), absent(), x({1, 2, 3, 3}, 4), x({1, 2, 3, 3}, 5)},
       4},
      {"window", windowed, {x({1, 1, 5, 2}, 1), x({1, 1, 5, 2}, 2), x({1, 1, 5, 2}, 3)}},
      {"padded_keys",
       AttentionAttrs{},
       {x({2, 1, 2, 3}, 1), x({2, 1, 4, 3}, 2), x({2, 1, 4, 3}, 3), absent(), absent(), absent(), {ints({2, 4})}}},
      {"softcap", capped, {x({1, 1, 3, 4}, 1), x({1, 1, 3, 4}, 2), x({1, 1, 3, 4}, 3)}, 4},
  };
}

}  // namespace

OpFamily attention() {
  OpFamily family;
  family.push_back(Op("Attention", {23, 24, 25})
                       .attrs<AttentionAttrs>()
                       .in("Q", kFloat, 'T')
                       .in("K", kFloat, 'T')
                       .in("V", kFloat, 'V')
                       .opt("attn_mask", kMaskTypes, 'U')
                       .opt("past_key", kFloat, 'T')
                       .opt("past_value", kFloat, 'V')
                       .opt("nonpad_kv_seqlen", types(ElementType::i64), 'N')
                       .out("Y", 0, 'T')
                       .opt_out("present_key", 0, 'T')
                       .opt_out("present_value", 0, 'V')
                       .opt_out("qk_matmul_output", 0, 'T')
                       .tolerance(Tolerance::rounding)
                       .infer(infer)
                       .reference(run)
                       .samples(samples)
                       .doc("Scaled dot-product attention per head, with masks, grouped heads, caches and windows."));
  return family;
}

}  // namespace slipway::ops
