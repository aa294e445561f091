// GroupQueryAttention (com.microsoft): attention of a language model's new tokens to its cache; rows of a batch may have pasts of
// different length. A cache may be quantised, and it may be as short as the window.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/low_precision.hpp"
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
  bool sliding_window_cache = false;  ///< the cache holds the last tokens alone, from its first row on
  int64_t kv_cache_bit_width = 0;  ///< of a quantised cache: 8, or 4 (two numbers a byte, low bits first, 8 more than they are)
  std::string k_quant_type = "NONE", v_quant_type = "NONE";  ///< PER_TENSOR, PER_CHANNEL: scale [1], or [1, heads, 1, size]
  bool quantised() const { return k_quant_type != "NONE"; }
  bool nibbles() const { return quantised() && kv_cache_bit_width == 4; }
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

/// Of a cache that has no past.
ElementType cache_type(const GroupQueryAttrs& a, ElementType query) {
  return a.nibbles() ? E::u8 : a.quantised() ? E::i8 : query;
}

struct Sizes {
  Dim batch, length, size;
  bool packed;  ///< queries, keys and values lie in one input
};

Result<Sizes> sizes_of(const InferContext& c) {
  const auto& a = c.attrs<GroupQueryAttrs>();
  if (a.num_heads < 1 || a.kv_num_heads < 1 || a.num_heads > kMaxElements || a.kv_num_heads > a.num_heads ||
      a.num_heads % a.kv_num_heads != 0)
    return fail(ErrorCode::invalid_model, "num_heads {} must be a multiple of kv_num_heads {}", a.num_heads, a.kv_num_heads);
  for (const std::string& type : {a.k_quant_type, a.v_quant_type}) {
    if (type != "NONE" && type != "PER_TENSOR" && type != "PER_CHANNEL")
      return fail(ErrorCode::invalid_model, "the cache's quantisation '{}' is not one of NONE, PER_TENSOR, PER_CHANNEL", type);
    if ((type == "NONE") == a.quantised()) return Error(ErrorCode::invalid_model, "one half of the cache is quantised");
  }
  if (a.quantised() && a.kv_cache_bit_width != 8 && a.kv_cache_bit_width != 4)
    return fail(ErrorCode::invalid_model, "kv_cache_bit_width is {}; 8 or 4 is expected", a.kv_cache_bit_width);
  if (a.quantised() && (!c.has_input(kKeyScale) || !c.has_input(kValueScale)))
    return Error(ErrorCode::invalid_model, "a quantised cache needs k_scale and v_scale");
  if (a.sliding_window_cache && (!c.has_input(kPastKey) || a.local_window_size < 1))
    return Error(ErrorCode::invalid_model, "a cache of a window's length needs local_window_size and a past");
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
  Dim held = c.has_input(kPastKey) ? Dim::unknown() : Dim(0);
  for (const size_t i : {kPastKey, kPastValue}) {
    const Shape* past = c.shape(i);
    if (past == nullptr) continue;
    if (past->size() != 4) return fail(ErrorCode::invalid_model, "the past has {} axes; 4 are expected", past->size());
    TRY(same_extent(s.batch, (*past)[0], 0));
    TRY(same_extent(Dim(a.kv_num_heads), (*past)[1], 1));
    if (a.nibbles()) {
      s.size = TRY(same_extent(s.size, (*past)[3] * Dim(2), 3));
    } else {
      s.size = TRY(same_extent(s.size, (*past)[3], 3));
    }
    held = TRY(same_extent(held, (*past)[2], 2));
  }
  const auto total = c.ints(kTotal);
  if (total && (total->size() != 1 || (*total)[0] < 0 || (*total)[0] > kMaxElements))
    return Error(ErrorCode::invalid_model, "total_sequence_length must be one number that is not negative");
  const Dim whole = total ? Dim((*total)[0]) : Dim::unknown();
  Dim present = whole.known() && held.known() ? Dim(std::max(whole.value(), held.value())) : Dim::unknown();
  if (a.sliding_window_cache) present = held;
  c.set(kY, c.type(kQuery), Shape{s.batch, s.length, s.size * Dim(a.num_heads)});
  const ElementType type = c.has_input(kPastKey) ? c.type(kPastKey) : cache_type(a, c.type(kQuery));
  const TypeSet allowed = a.nibbles() ? types(E::u8) : a.quantised() ? types(E::i8, E::f8e4m3fn) : types(c.type(kQuery));
  if (type != E::undefined && c.type(kQuery) != E::undefined && !contains(allowed, type))
    return fail(ErrorCode::invalid_model, "a cache of type {} does not go with k_quant_type '{}' and {} bits", name(type),
                a.k_quant_type, a.kv_cache_bit_width);
  const Shape cache{s.batch, Dim(a.kv_num_heads), present, a.nibbles() ? s.size / Dim(2) : s.size};
  TRY(check_size(cache));
  c.set(kPresentKey, type, cache);
  c.set(kPresentValue, type, cache);
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

/// How numbers lie in a cache: as they are, or divided by a scale, rounded and clamped.
class CacheCode {
 public:
  CacheCode(ElementType type, bool nibbles, std::vector<double> scales, int64_t size)
      : type_(type), nibbles_(nibbles), scales_(std::move(scales)), size_(size) {}

  /// What the cache gives back for x, element `s` of head `h`.
  double kept(double x, int64_t h, int64_t s) const {
    if (scales_.empty()) return x;
    const double by = scale(h, s);
    if (type_ == E::f8e4m3fn) return static_cast<double>(Float8E4M3FN::from(x / by, true)) * by;
    const double most = nibbles_ ? 7 : 127;
    return std::clamp(std::nearbyint(x / by), -most - 1, most) * by;
  }
  double load(const Tensor& cache, int64_t at, int64_t h, int64_t s) const {
    if (scales_.empty()) return load_double(cache.data(), type_, at);
    if (!nibbles_) return load_double(cache.data(), type_, at) * scale(h, s);
    return ((cache.as<uint8_t>()[at / 2] >> (at % 2 * 4) & 15) - 8) * scale(h, s);
  }
  /// x is one that the cache keeps.
  void store(Tensor& cache, int64_t at, double x, int64_t h, int64_t s) const {
    if (scales_.empty()) return store_double(cache.data(), type_, at, x);
    const double number = type_ == E::f8e4m3fn ? x / scale(h, s) : std::nearbyint(x / scale(h, s));
    if (!nibbles_) return store_double(cache.data(), type_, at, number);
    uint8_t& both = cache.as<uint8_t>()[at / 2];
    const auto code = static_cast<uint32_t>(number + 8);
    both = static_cast<uint8_t>(at % 2 == 0 ? (both & 0xf0u) | code : (both & 0x0fu) | code << 4);
  }

 private:
  double scale(int64_t h, int64_t s) const {
    return scales_.size() == 1 ? scales_[0] : scales_[static_cast<size_t>(h * size_ + s)];
  }

  ElementType type_;
  bool nibbles_;
  std::vector<double> scales_;  ///< empty: not quantised
  int64_t size_;
};

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
    present_ = a_.sliding_window_cache ? held_ : std::max(held_, total_);
    if (a_.sliding_window_cache && held_ < a_.local_window_size)
      return fail(ErrorCode::data_fault, "a cache of {} rows is shorter than the window of {}", held_, a_.local_window_size);
    TRY(read_lengths());
    TRY(normalise(q, kQueryNorm, a_.q_norm_epsilon));
    TRY(normalise(k, kKeyNorm, a_.k_norm_epsilon));
    if (a_.do_rotary) {
      TRY(rotate(q));
      TRY(rotate(k));
    }
    const ElementType type = c_.has(kPastKey) ? c_.in(kPastKey).type() : cache_type(a_, c_.in(kQuery).type());
    const CacheCode key_code = TRY(code(type, kKeyScale)), value_code = TRY(code(type, kValueScale));
    Heads keys = behind(kPastKey, k, key_code), values = behind(kPastValue, v, value_code);
    TRY(attend(q, keys, values));
    give(kPresentKey, type, keys, key_code);
    give(kPresentValue, type, values, value_code);
    return {};
  }

 private:
  /// One row of the batch: its tokens are `all`, the last `fresh` of them new; the cache held the `kept` before those.
  struct Row {
    int64_t all, fresh, kept;
    int64_t before() const { return all - fresh; }
    int64_t first() const { return before() - kept; }  ///< place of the first token that is at hand
  };

  Status read_lengths() {
    const std::vector<int64_t> last = c_.ints(kLastPlace);
    if (static_cast<int64_t>(last.size()) != batch_)
      return fail(ErrorCode::data_fault, "seqlens_k has {} numbers for a batch of {}", last.size(), batch_);
    std::vector<int64_t> fresh(last.size(), length_);
    const bool padded = c_.has(kQueryLengths);
    if (padded) {
      fresh = c_.ints(kQueryLengths);
      if (fresh.size() != last.size())
        return fail(ErrorCode::data_fault, "query_seqlens has {} numbers for a batch of {}", fresh.size(), batch_);
    }
    prompt_ = !padded && total_ == length_;
    for (size_t n = 0; n < last.size(); ++n) {
      if (last[n] < 0 || last[n] >= total_) return index_fault(last[n], total_, 2);
      if (fresh[n] < 0 || fresh[n] > length_)
        return fail(ErrorCode::data_fault, "query_seqlens says {} for a query of {} tokens", fresh[n], length_);
      // Of a prompt every row is computed, those behind its end, too.
      Row row{prompt_ ? length_ : last[n] + 1, fresh[n], 0};
      row.kept = a_.sliding_window_cache ? resident(row.before()) : row.before();
      const bool fits =
          row.before() >= 0 && row.kept >= 0 && row.kept <= held_ && (a_.sliding_window_cache || row.all <= present_);
      if (!fits) {
        return fail(ErrorCode::data_fault, "{} new tokens do not fit behind {} in a cache of {}", row.fresh, row.before(),
                    present_);
      }
      rows_.push_back(row);
      ends_.push_back(last[n] + 1);
    }
    return {};
  }

  /// Tokens that a window's cache holds after `all`: it fills, and when it is full the window alone stays.
  int64_t resident(int64_t all) const {
    const int64_t window = a_.local_window_size;
    return all <= held_ ? all : window + (all - held_ - 1) % (held_ - window + 1);
  }

  Result<CacheCode> code(ElementType type, size_t scale) const {
    std::vector<double> scales;
    if (a_.quantised()) scales = c_.doubles(scale);
    const bool per_channel = static_cast<int64_t>(scales.size()) == a_.kv_num_heads * size_;
    if (a_.quantised() && scales.size() != 1 && !per_channel)
      return fail(ErrorCode::data_fault, "the cache has {} scales; 1 or {} are expected", scales.size(), a_.kv_num_heads * size_);
    return CacheCode(type, a_.nibbles(), std::move(scales), size_);
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

  /// Where new token i of row n stands; of given places a prompt counts on from the first, as ONNX Runtime does.
  int64_t place(const std::vector<int64_t>& given, int64_t n, int64_t i) const {
    if (given.empty()) return rows_[static_cast<size_t>(n)].before() + i;
    const bool each = !prompt_ && static_cast<int64_t>(given.size()) == batch_ * length_;
    return each ? given[static_cast<size_t>(n * length_ + i)] : given[0] + i;
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
        if (i >= rows_[static_cast<size_t>(n)].fresh) continue;
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

  /// The tokens at hand of each row: what the past holds, then the new ones as the cache keeps them.
  Heads behind(size_t past, Heads& now, const CacheCode& code) {
    const int64_t most = std::max(present_, held_ + length_);
    Heads out{now.heads, most, size_, std::vector<double>(static_cast<size_t>(batch_ * now.heads * most * size_))};
    for (int64_t n = 0; n < batch_; ++n) {
      const Row& row = rows_[static_cast<size_t>(n)];
      for (int64_t h = 0; h < now.heads; ++h) {
        for (int64_t t = 0; t < row.kept; ++t) {
          for (int64_t s = 0; s < size_; ++s)
            out.row(n, h, t)[s] = code.load(c_.in(past), ((n * now.heads + h) * held_ + t) * size_ + s, h, s);
        }
        for (int64_t t = 0; t < row.fresh; ++t) {
          for (int64_t s = 0; s < size_; ++s) out.row(n, h, row.kept + t)[s] = code.kept(now.row(n, h, t)[s], h, s);
        }
      }
    }
    return out;
  }

  /// The last tokens at hand as the next cache.
  void give(size_t output, ElementType type, Heads& all, const CacheCode& code) {
    if (!c_.wants(output)) return;
    Tensor cache = c_.out(output, type, {batch_, all.heads, present_, a_.nibbles() ? size_ / 2 : size_});
    if (cache.bytes() != 0) std::memset(cache.data(), 0, cache.bytes());
    for (int64_t n = 0; n < batch_; ++n) {
      const Row& row = rows_[static_cast<size_t>(n)];
      const int64_t have = row.kept + row.fresh, count = a_.sliding_window_cache ? resident(row.all) : have;
      for (int64_t h = 0; h < all.heads; ++h) {
        for (int64_t t = 0; t < count; ++t) {
          for (int64_t s = 0; s < size_; ++s)
            code.store(cache, ((n * all.heads + h) * present_ + t) * size_ + s, all.row(n, h, have - count + t)[s], h, s);
        }
      }
    }
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
      const Row& at = rows_[static_cast<size_t>(n)];
      for (int64_t h = 0; h < a_.num_heads; ++h) {
        for (int64_t i = 0; i < at.fresh; ++i) {
          const int64_t end = a_.causal != 0 ? at.before() + i + 1 : ends_[static_cast<size_t>(n)];
          const int64_t first = std::max(at.first(), a_.local_window_size > 0 ? end - a_.local_window_size : 0);
          row.assign(static_cast<size_t>(end - first), 0);
          for (int64_t t = first; t < end; ++t) {
            const double *left = q.row(n, h, i), *right = keys.row(n, h / group, t - at.first());
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
            for (int64_t s = 0; s < size_; ++s)
              out[s] += row[static_cast<size_t>(t - first)] * values.row(n, h / group, t - at.first())[s];
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
  bool prompt_ = false;
  std::vector<Row> rows_;
  std::vector<int64_t> ends_;  ///< tokens that count of each row
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
  const auto quantised = [&](const SampleInput& keys, const SampleInput& values) {
    return std::vector<SampleInput>{one,
                                    k1,
                                    v1,
                                    keys,
                                    values,
                                    ends({5, 3}),
                                    total(6),
                                    absent(),
                                    absent(),
                                    absent(),
                                    absent(),
                                    absent(),
                                    sample::constant(sample::floats({1}, {0.02})),
                                    sample::constant(sample::random({1, 2, 1, 4}, 0.01, 0.1, 8))};
  };
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
       3},
      {"quantised",
       A{.num_heads = 4, .kv_num_heads = 2, .kv_cache_bit_width = 8, .k_quant_type = "PER_TENSOR", .v_quant_type = "PER_CHANNEL"},
       quantised({noise(E::i8, {2, 2, 5, 4}, 4)}, {noise(E::i8, {2, 2, 5, 4}, 5)}), 3},
      {"nibbles",
       A{.num_heads = 4, .kv_num_heads = 2, .kv_cache_bit_width = 4, .k_quant_type = "PER_TENSOR", .v_quant_type = "PER_CHANNEL"},
       quantised({noise(E::u8, {2, 2, 5, 2}, 4)}, {noise(E::u8, {2, 2, 5, 2}, 5)}), 3},
      {"window_cache",
       A{.num_heads = 4, .kv_num_heads = 2, .local_window_size = 4, .sliding_window_cache = true},
       {one, k1, v1, past_key, past_value, ends({8, 3}), total(9)},
       3},
      {"padded_chunk",
       A{.num_heads = 4, .kv_num_heads = 2},
       {q,
        k,
        v,
        {noise({2, 2, 7, 4}, 4)},
        {noise({2, 2, 7, 4}, 5)},
        ends({3, 4}),
        total(7),
        absent(),
        absent(),
        absent(),
        absent(),
        absent(),
        absent(),
        absent(),
        absent(),
        absent(),
        ends({2, 3})},
       3}};
}

}  // namespace

OpFamily group_query_attention() {
  constexpr TypeSet kTypes = types(E::f32, E::f16, E::bf16), kPlace = types(E::i32), kReal = types(E::f32),
                    kCache = kTypes | types(E::u8, E::i8, E::f8e4m3fn);
  return {Op("GroupQueryAttention", {1}, "com.microsoft")
              .attrs<GroupQueryAttrs>()
              .in("query", kTypes)
              .opt("key", kTypes)
              .opt("value", kTypes)
              .opt("past_key", kCache, 'C')
              .opt("past_value", kCache, 'C')
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
              .opt_out("present_key", kCache, 0)
              .opt_out("present_value", kCache, 0)
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
