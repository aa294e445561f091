// GroupQueryAttention (com.microsoft): attention of a language model's new tokens to its cache; rows of a batch may have pasts of
// different length.
#include <algorithm>
#include <cmath>

#include "ops/moves.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

enum Input {
  kQuery,
  kKey,
  kValue,
  kPastKey,
  kPastValue,
  kLastPlace,
  kTotal,
  kCos,
  kSin,
  kPlaces,
  kBias,
  kSink,
  kKeyScale,
  kValueScale,
  kQueryNorm,
  kKeyNorm,
  kQueryLengths
};
enum Output { kY, kPresentKey, kPresentValue, kScores };

struct GroupQueryAttrs {
  int64_t num_heads = 1, kv_num_heads = 1;
  float scale = 0;  ///< 0: 1 / sqrt(size)
  float softcap = 0;
  bool do_rotary = false, rotary_interleaved = false;
  int64_t local_window_size = -1;
  int64_t smooth_softmax = -1;  ///< 1: one more score of 0 in every softmax
  int64_t causal = 1;
  int64_t qk_output = 0;  ///< 1: scores before the softmax, 2: after it
  float qk_norm_epsilon = 1e-6f;
  std::optional<float> q_norm_epsilon, k_norm_epsilon;
  int64_t sliding_window_cache = 0, kv_cache_bit_width = 0;
  std::string k_quant_type = "NONE", v_quant_type = "NONE";
  bool operator==(const GroupQueryAttrs&) const = default;
  static constexpr auto fields() {
    using A = GroupQueryAttrs;
    return std::tuple{field("num_heads", &A::num_heads, true),
                      field("kv_num_heads", &A::kv_num_heads, true),
                      field("scale", &A::scale),
                      field("softcap", &A::softcap),
                      field("do_rotary", &A::do_rotary),
                      field("rotary_interleaved", &A::rotary_interleaved),
                      field("local_window_size", &A::local_window_size),
                      field("smooth_softmax", &A::smooth_softmax),
                      field("causal", &A::causal),
                      field("qk_output", &A::qk_output),
                      field("qk_norm_epsilon", &A::qk_norm_epsilon),
                      field("q_norm_epsilon", &A::q_norm_epsilon),
                      field("k_norm_epsilon", &A::k_norm_epsilon),
                      field("sliding_window_cache", &A::sliding_window_cache),
                      field("kv_cache_bit_width", &A::kv_cache_bit_width),
                      field("k_quant_type", &A::k_quant_type),
                      field("v_quant_type", &A::v_quant_type)};
  }
};

struct Sizes {
  Dim batch, length, size;
  bool packed;  ///< queries, keys and values lie in one input
};

Result<Sizes> sizes_of(const InferContext& c) {
  const auto& a = c.attrs<GroupQueryAttrs>();
  if (a.num_heads < 1 || a.kv_num_heads < 1 || a.num_heads > kMaxElements || a.kv_num_heads > a.num_heads ||
      a.num_heads % a.kv_num_heads != 0)
    return fail(ErrorCode::invalid_model, "num_heads {} must be a multiple of kv_num_heads {}", a.num_heads, a.kv_num_heads);
  if (a.sliding_window_cache != 0 || a.k_quant_type != "NONE" || a.v_quant_type != "NONE" || c.has_input(kQueryLengths))
    return Error(ErrorCode::unsupported, "window-sized and quantised caches and query_seqlens are not supported");
  Sizes out{Dim::unknown(), Dim::unknown(), Dim::unknown(), !c.has_input(kKey)};
  const Shape* q = c.shape(kQuery);
  if (q == nullptr) return out;
  if (q->size() != 3) return fail(ErrorCode::invalid_model, "the query has {} axes; 3 are expected", q->size());
  const int64_t heads = a.num_heads + (out.packed ? 2 * a.kv_num_heads : 0);
  if ((*q)[2].known() && (*q)[2].value() % heads != 0)
    return fail(ErrorCode::invalid_model, "{} columns of the query do not divide into {} heads", (*q)[2].value(), heads);
  out.batch = (*q)[0];
  out.length = (*q)[1];
  out.size = (*q)[2] / Dim(heads);
  return out;
}

Status infer(InferContext& c) {
  const auto& a = c.attrs<GroupQueryAttrs>();
  Sizes s = TRY(sizes_of(c));
  if (!s.packed && !c.has_input(kValue)) return Error(ErrorCode::invalid_model, "there is a key and no value");
  for (const size_t i : {kKey, kValue}) {
    const Shape* shape = c.shape(i);
    if (shape == nullptr) continue;
    if (shape->size() != 3) return fail(ErrorCode::invalid_model, "input {} has {} axes; 3 are expected", i, shape->size());
    TRY(same_extent(s.batch, (*shape)[0], 0));
    TRY(same_extent(s.length, (*shape)[1], 1));
    TRY(same_extent(s.size * Dim(a.kv_num_heads), (*shape)[2], 2));
  }
  if (a.do_rotary && (!c.has_input(kCos) || !c.has_input(kSin)))
    return Error(ErrorCode::invalid_model, "do_rotary needs cos_cache and sin_cache");
  if (c.has_input(kPastKey) != c.has_input(kPastValue)) return Error(ErrorCode::invalid_model, "one half of the past is missing");
  Dim held(0);
  for (const size_t i : {kPastKey, kPastValue}) {
    if (!c.has_input(i)) continue;
    held = Dim::unknown();
    const Shape* past = c.shape(i);
    if (past == nullptr) continue;
    if (past->size() != 4) return fail(ErrorCode::invalid_model, "the past has {} axes; 4 are expected", past->size());
    TRY(same_extent(s.batch, (*past)[0], 0));
    TRY(same_extent(Dim(a.kv_num_heads), (*past)[1], 1));
    s.size = TRY(same_extent(s.size, (*past)[3], 3));
    held = (*past)[2];
  }
  const auto total = c.ints(kTotal);
  if (total && (total->size() != 1 || (*total)[0] < 0 || (*total)[0] > kMaxElements))
    return Error(ErrorCode::invalid_model, "total_sequence_length must be one number that is not negative");
  const Dim whole = total ? Dim((*total)[0]) : Dim::unknown();
  const Dim present = whole.known() && held.known() ? Dim(std::max(whole.value(), held.value())) : Dim::unknown();
  c.set(kY, c.type(kQuery), Shape{s.batch, s.length, s.size * Dim(a.num_heads)});
  const Shape cache{s.batch, Dim(a.kv_num_heads), present, s.size};
  TRY(check_size(cache));
  c.set(kPresentKey, c.type(kQuery), cache);
  c.set(kPresentValue, c.type(kQuery), cache);
  c.set(kScores, c.type(kQuery), Shape{s.batch, Dim(a.num_heads), s.length, whole});
  return {};
}

/// Heads of one kind: [batch, heads, length, size].
struct Heads {
  int64_t heads, length, size;
  std::vector<double> values;
  double* row(int64_t n, int64_t h, int64_t i) { return values.data() + ((n * heads + h) * length + i) * size; }
};

/// Heads [first, first + count) of every row of `from` [batch, length, all * size].
Heads taken(const std::vector<double>& from, const Dims& d, int64_t first, int64_t count, int64_t size) {
  Heads out{count, d[1], size, std::vector<double>(static_cast<size_t>(d[0] * count * d[1] * size))};
  for (int64_t n = 0; n < d[0]; ++n) {
    for (int64_t i = 0; i < d[1]; ++i) {
      for (int64_t h = 0; h < count; ++h)
        std::copy_n(from.begin() + (n * d[1] + i) * d[2] + (first + h) * size, size, out.row(n, h, i));
    }
  }
  return out;
}

class Attention {
 public:
  explicit Attention(RefContext& c) : c_(c), a_(c.attrs<GroupQueryAttrs>()) {}

  Status run() {
    TRY(actual_facts(c_));
    const Dims d = c_.in(kQuery).dims();
    batch_ = d[0];
    length_ = d[1];
    total_ = c_.ints(kTotal)[0];
    const bool packed = !c_.has(kKey);
    size_ = d[2] / (a_.num_heads + (packed ? 2 * a_.kv_num_heads : 0));
    Heads q = taken(c_.doubles(kQuery), d, 0, a_.num_heads, size_);
    Heads k = packed ? taken(c_.doubles(kQuery), d, a_.num_heads, a_.kv_num_heads, size_)
                     : taken(c_.doubles(kKey), c_.in(kKey).dims(), 0, a_.kv_num_heads, size_);
    Heads v = packed ? taken(c_.doubles(kQuery), d, a_.num_heads + a_.kv_num_heads, a_.kv_num_heads, size_)
                     : taken(c_.doubles(kValue), c_.in(kValue).dims(), 0, a_.kv_num_heads, size_);
    held_ = c_.has(kPastKey) ? c_.in(kPastKey).dims()[2] : 0;
    present_ = std::max(held_, total_);
    TRY(read_lengths());
    TRY(normalise(q, kQueryNorm, a_.q_norm_epsilon));
    TRY(normalise(k, kKeyNorm, a_.k_norm_epsilon));
    if (a_.do_rotary) {
      TRY(rotate(q));
      TRY(rotate(k));
    }
    Heads keys = behind(kPastKey, k), values = behind(kPastValue, v);
    TRY(attend(q, keys, values));
    const ElementType type = c_.in(kQuery).type();
    c_.set_doubles(kPresentKey, type, {batch_, a_.kv_num_heads, present_, size_}, keys.values);
    c_.set_doubles(kPresentValue, type, {batch_, a_.kv_num_heads, present_, size_}, values.values);
    return {};
  }

 private:
  /// Tokens behind the new ones of each row, and all that it has.
  Status read_lengths() {
    const std::vector<int64_t> last = c_.ints(kLastPlace);
    if (static_cast<int64_t>(last.size()) != batch_)
      return fail(ErrorCode::data_fault, "seqlens_k has {} numbers for a batch of {}", last.size(), batch_);
    const bool prompt = total_ == length_;
    for (const int64_t place : last) {
      if (place < 0 || place >= present_) return index_fault(place, present_, 2);
      const int64_t before = prompt ? 0 : place + 1 - length_;
      if (before < 0 || before > held_ || before + length_ > present_)
        return fail(ErrorCode::data_fault, "{} new tokens do not fit behind {} in a cache of {}", length_, before, present_);
      before_.push_back(before);
      all_.push_back(place + 1);
    }
    return {};
  }

  Status normalise(Heads& x, size_t weight, std::optional<float> epsilon) {
    if (!c_.has(weight)) return {};
    const std::vector<double> w = c_.doubles(weight);
    if (static_cast<int64_t>(w.size()) != size_)
      return fail(ErrorCode::data_fault, "the norm has {} weights for heads of {}", w.size(), size_);
    for (auto row = x.values.begin(); row != x.values.end(); row += size_) {
      double sum = 0;
      for (int64_t s = 0; s < size_; ++s) sum += row[s] * row[s];
      const double scale = 1 / std::sqrt(sum / static_cast<double>(size_) + double{epsilon.value_or(a_.qk_norm_epsilon)});
      for (int64_t s = 0; s < size_; ++s) row[s] *= scale * w[static_cast<size_t>(s)];
    }
    return {};
  }

  /// Where new token i of row n stands.
  int64_t place(const std::vector<int64_t>& given, int64_t n, int64_t i) const {
    if (given.empty()) return before_[static_cast<size_t>(n)] + i;
    return static_cast<int64_t>(given.size()) == batch_ * length_ ? given[static_cast<size_t>(n * length_ + i)] : given[0] + i;
  }

  Status rotate(Heads& x) {
    const Dims cache = c_.in(kCos).dims();
    if (cache.rank() != 2 || c_.in(kSin).dims() != cache || 2 * cache[1] > size_)
      return fail(ErrorCode::data_fault, "a cache of {} does not fit heads of {}", to_string(cache), size_);
    const std::vector<double> cosines = c_.doubles(kCos), sines = c_.doubles(kSin);
    const std::vector<int64_t> given = c_.has(kPlaces) ? c_.ints(kPlaces) : std::vector<int64_t>();
    const int64_t half = cache[1], apart = a_.rotary_interleaved ? 1 : half, step = a_.rotary_interleaved ? 2 : 1;
    for (int64_t n = 0; n < batch_; ++n) {
      for (int64_t i = 0; i < length_; ++i) {
        const int64_t at = place(given, n, i);
        if (at < 0 || at >= cache[0]) return index_fault(at, cache[0], 0);
        for (int64_t h = 0; h < x.heads; ++h) {
          double* row = x.row(n, h, i);
          for (int64_t s = 0; s < half; ++s) {
            const double cosine = cosines[static_cast<size_t>(at * half + s)], sine = sines[static_cast<size_t>(at * half + s)];
            double &real = row[s * step], &imaginary = row[s * step + apart];
            const double turned = cosine * real - sine * imaginary;
            imaginary = sine * real + cosine * imaginary;
            real = turned;
          }
        }
      }
    }
    return {};
  }

  /// The cache with the new rows in their places.
  Heads behind(size_t past, Heads& now) {
    Heads out{now.heads, present_, size_, std::vector<double>(static_cast<size_t>(batch_ * now.heads * present_ * size_))};
    const std::vector<double> held = c_.has(past) ? c_.doubles(past) : std::vector<double>();
    for (int64_t n = 0; n < batch_; ++n) {
      const int64_t before = before_[static_cast<size_t>(n)];
      for (int64_t h = 0; h < now.heads; ++h) {
        if (before > 0) std::copy_n(held.begin() + (n * now.heads + h) * held_ * size_, before * size_, out.row(n, h, 0));
        std::copy_n(now.row(n, h, 0), length_ * size_, out.row(n, h, before));
      }
    }
    return out;
  }

  double bias(const std::vector<double>& values, int64_t n, int64_t h, int64_t i, int64_t t) const {
    if (values.empty()) return 0;
    const Dims& d = c_.in(kBias).dims();
    return values[static_cast<size_t>((((d[0] == 1 ? 0 : n) * d[1] + (d[1] == 1 ? 0 : h)) * d[2] + i) * d[3] + t)];
  }

  Status check_bias() const {
    const Dims& d = c_.in(kBias).dims();
    const bool fits = d.rank() == 4 && (d[0] == 1 || d[0] == batch_) && (d[1] == 1 || d[1] == a_.num_heads) && d[2] == length_ &&
                      d[3] >= total_;
    if (fits) return {};
    return fail(ErrorCode::data_fault, "an attention_bias of {} does not fit", to_string(d));
  }

  Status attend(Heads& q, Heads& keys, Heads& values) {
    std::vector<double> biases, sinks;
    if (c_.has(kBias)) {
      TRY(check_bias());
      biases = c_.doubles(kBias);
    }
    if (c_.has(kSink)) sinks = c_.doubles(kSink);
    if (!sinks.empty() && static_cast<int64_t>(sinks.size()) != a_.num_heads)
      return fail(ErrorCode::data_fault, "head_sink has {} numbers for {} heads", sinks.size(), a_.num_heads);
    const bool smooth = a_.smooth_softmax == 1 || !sinks.empty();
    const double scale = a_.scale != 0 ? double{a_.scale} : 1 / std::sqrt(static_cast<double>(size_)), cap = a_.softcap;
    const int64_t group = a_.num_heads / a_.kv_num_heads;
    std::vector<double> y(static_cast<size_t>(batch_ * length_ * a_.num_heads * size_)), row;
    std::vector<double> shown(c_.wants(kScores) ? static_cast<size_t>(batch_ * a_.num_heads * length_ * total_) : 0);
    for (int64_t n = 0; n < batch_; ++n) {
      for (int64_t h = 0; h < a_.num_heads; ++h) {
        for (int64_t i = 0; i < length_; ++i) {
          const int64_t end = a_.causal != 0 ? before_[static_cast<size_t>(n)] + i + 1 : all_[static_cast<size_t>(n)];
          const int64_t first = a_.local_window_size > 0 ? std::max<int64_t>(0, end - a_.local_window_size) : 0;
          row.assign(static_cast<size_t>(end - first), 0);
          for (int64_t t = first; t < end; ++t) {
            const double *left = q.row(n, h, i), *right = keys.row(n, h / group, t);
            double sum = 0;
            for (int64_t s = 0; s < size_; ++s) sum += left[s] * right[s];
            sum *= scale;
            if (cap > 0) sum = cap * std::tanh(sum / cap);
            row[static_cast<size_t>(t - first)] = sum + bias(biases, n, h, i, t);
          }
          const int64_t line = ((n * a_.num_heads + h) * length_ + i) * total_ + first;
          if (!shown.empty() && a_.qk_output == 1) std::copy(row.begin(), row.end(), shown.begin() + line);
          softmax(row, smooth, sinks.empty() ? 0 : sinks[static_cast<size_t>(h)]);
          if (!shown.empty() && a_.qk_output != 1) std::copy(row.begin(), row.end(), shown.begin() + line);
          double* out = y.data() + ((n * length_ + i) * a_.num_heads + h) * size_;
          for (int64_t t = first; t < end; ++t) {
            for (int64_t s = 0; s < size_; ++s) out[s] += row[static_cast<size_t>(t - first)] * values.row(n, h / group, t)[s];
          }
        }
      }
    }
    c_.set_doubles(kY, c_.in(kQuery).type(), {batch_, length_, a_.num_heads * size_}, y);
    c_.set_doubles(kScores, c_.in(kQuery).type(), {batch_, a_.num_heads, length_, total_}, shown);
    return {};
  }

  static void softmax(std::vector<double>& row, bool smooth, double sink) {
    if (row.empty()) return;
    double most = *std::max_element(row.begin(), row.end());
    if (smooth) most = std::max(most, sink);
    double sum = smooth ? std::exp(sink - most) : 0;
    for (double& v : row) sum += v = std::exp(v - most);
    for (double& v : row) v /= sum;
  }

  RefContext& c_;
  const GroupQueryAttrs& a_;
  int64_t batch_ = 0, length_ = 0, size_ = 0, total_ = 0, held_ = 0, present_ = 0;
  std::vector<int64_t> before_, all_;
};

Status run(RefContext& c) {
  return Attention(c).run();
}

std::vector<Sample> samples() {
  using A = GroupQueryAttrs;
  using sample::absent;
  using sample::noise;
  const auto ends = [](std::initializer_list<double> values) {
    return SampleInput{sample::numbers(E::i32, {static_cast<int64_t>(values.size())}, values)};
  };
  const auto total = [](double value) { return SampleInput{sample::numbers(E::i32, {}, {value}), true}; };
  const SampleInput q{noise({2, 3, 16})}, k{noise({2, 3, 8}, 2)}, v{noise({2, 3, 8}, 3)}, one{noise({2, 1, 16})},
      k1{noise({2, 1, 8}, 2)}, v1{noise({2, 1, 8}, 3)};
  const SampleInput past_key{noise({2, 2, 5, 4}, 4)}, past_value{noise({2, 2, 5, 4}, 5)}, cosines{noise({9, 2}, 6)},
      sines{noise({9, 2}, 7)};
  return {
      {"prompt", A{.num_heads = 4, .kv_num_heads = 2}, {q, k, v, absent(), absent(), ends({2, 1}), total(3)}, 3},
      {"next_token",
       A{.num_heads = 4, .kv_num_heads = 2, .do_rotary = true},
       {one, k1, v1, past_key, past_value, ends({5, 3}), total(6), cosines, sines},
       3},
      {"packed",
       A{.num_heads = 4, .kv_num_heads = 2, .softcap = 2, .do_rotary = true, .rotary_interleaved = true, .local_window_size = 2},
       {{noise({2, 3, 32})}, absent(), absent(), absent(), absent(), ends({2, 2}), total(3), cosines, sines},
       3},
      {"smooth",
       A{.num_heads = 4, .kv_num_heads = 2, .smooth_softmax = 1, .causal = 0},
       {q, k, v, absent(), absent(), ends({2, 2}), total(3)},
       3}};
}

}  // namespace

OpFamily group_query_attention() {
  constexpr TypeSet kTypes = types(E::f32, E::f16, E::bf16), kPlace = types(E::i32), kReal = types(E::f32);
  return {Op("GroupQueryAttention", {1}, "com.microsoft")
              .attrs<GroupQueryAttrs>()
              .in("query", kTypes)
              .opt("key", kTypes)
              .opt("value", kTypes)
              .opt("past_key", kTypes)
              .opt("past_value", kTypes)
              .in("seqlens_k", kPlace, 'M')
              .in("total_sequence_length", kPlace, 'M')
              .opt("cos_cache", kTypes)
              .opt("sin_cache", kTypes)
              .opt("position_ids", types(E::i64), 'I')
              .opt("attention_bias", kTypes)
              .opt("head_sink", kTypes)
              .opt("k_scale", kReal, 'S')
              .opt("v_scale", kReal, 'S')
              .opt("q_norm_weight", kTypes)
              .opt("k_norm_weight", kTypes)
              .opt("query_seqlens", kPlace, 'M')
              .out("output")
              .opt_out("present_key")
              .opt_out("present_value")
              .opt_out("output_qk")
              .flag(ir::OpInfo::kDataDependent)
              .reads_value(6)
              .infer(infer)
              .reference(run)
              .samples(samples)
              .tolerance(Tolerance::rounding)
              .doc("Attention of new tokens to themselves and a cache, with groups of query heads to one head of keys.")};
}

}  // namespace slipway::ops
