// TfIdfVectorizer: counts of known n-grams in rows of words or numbers, weighted when asked.
#include <algorithm>
#include <map>

#include "ops/moves.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

struct TfIdfAttrs {
  std::string mode;  ///< TF | IDF | TFIDF
  int64_t min_gram_length = 1, max_gram_length = 1, max_skip_count = 0;
  std::vector<int64_t> ngram_counts;   ///< where the n-grams of each length begin in the pool
  std::vector<int64_t> ngram_indexes;  ///< output column of each n-gram
  std::vector<int64_t> pool_int64s;
  std::vector<std::string> pool_strings;
  std::vector<float> weights;  ///< of the columns; empty: 1
  bool operator==(const TfIdfAttrs&) const = default;
  static constexpr auto fields() {
    using A = TfIdfAttrs;
    return std::tuple{field("mode", &A::mode, true),
                      field("min_gram_length", &A::min_gram_length, true),
                      field("max_gram_length", &A::max_gram_length, true),
                      field("max_skip_count", &A::max_skip_count, true),
                      field("ngram_counts", &A::ngram_counts, true),
                      field("ngram_indexes", &A::ngram_indexes, true),
                      field("pool_int64s", &A::pool_int64s),
                      field("pool_strings", &A::pool_strings),
                      field("weights", &A::weights)};
  }
  size_t pool_size() const { return std::max(pool_int64s.size(), pool_strings.size()); }
  int64_t columns() const { return *std::max_element(ngram_indexes.begin(), ngram_indexes.end()) + 1; }
};

Status check(const TfIdfAttrs& a) {
  if (a.mode != "TF" && a.mode != "IDF" && a.mode != "TFIDF")
    return fail(ErrorCode::invalid_model, "mode '{}' is not one of TF, IDF, TFIDF", a.mode);
  if (a.pool_int64s.empty() == a.pool_strings.empty())
    return Error(ErrorCode::invalid_model, "exactly one of pool_int64s and pool_strings must be given");
  if (a.min_gram_length < 1 || a.max_gram_length < a.min_gram_length || a.max_skip_count < 0)
    return Error(ErrorCode::invalid_model, "the lengths of n-grams must be at least 1 and the skips at least 0");
  int64_t before = 0, grams = 0;
  for (size_t i = 0; i < a.ngram_counts.size(); ++i) {
    const auto end = i + 1 < a.ngram_counts.size() ? a.ngram_counts[i + 1] : static_cast<int64_t>(a.pool_size());
    if (a.ngram_counts[i] < before || end < a.ngram_counts[i] || end > static_cast<int64_t>(a.pool_size()))
      return Error(ErrorCode::invalid_model, "ngram_counts must grow and stay inside the pool");
    before = a.ngram_counts[i];
    grams += (end - before) / static_cast<int64_t>(i + 1);
  }
  if (a.ngram_indexes.empty() || static_cast<int64_t>(a.ngram_indexes.size()) < grams)
    return fail(ErrorCode::invalid_model, "ngram_indexes has {} entries, the pool {} n-grams", a.ngram_indexes.size(), grams);
  for (int64_t index : a.ngram_indexes) {
    if (index < 0 || index >= kMaxElements) return fail(ErrorCode::invalid_model, "{} in ngram_indexes is no column", index);
  }
  if (!a.weights.empty() && a.weights.size() < a.ngram_indexes.size())
    return fail(ErrorCode::invalid_model, "there are {} weights for {} n-grams", a.weights.size(), a.ngram_indexes.size());
  return {};
}

Status infer(InferContext& c) {
  const auto& a = c.attrs<TfIdfAttrs>();
  TRY(check(a));
  if (c.type(0) != ElementType::undefined && (c.type(0) == ElementType::string) == a.pool_strings.empty())
    return Error(ErrorCode::invalid_model, "the input and the pool must both be strings or both be numbers");
  std::optional<Shape> y;
  if (const Shape* x = c.shape(0)) {
    if (x->size() > 2) return fail(ErrorCode::invalid_model, "the input has {} axes; [C] or [N,C] is expected", x->size());
    y = x->size() == 2 ? Shape{(*x)[0], Dim(a.columns())} : Shape{Dim(a.columns())};
  }
  c.set(0, ElementType::f32, std::move(y));
  return {};
}

/// The n-grams as a tree of tokens; nodes are numbers, 0 the root.
template <class Token>
class GramTree {
 public:
  GramTree(const TfIdfAttrs& a, const std::vector<Token>& pool) {
    int64_t gram = 0;
    for (size_t n = 1; n <= a.ngram_counts.size(); ++n) {
      const auto first = static_cast<size_t>(a.ngram_counts[n - 1]);
      const size_t end = n < a.ngram_counts.size() ? static_cast<size_t>(a.ngram_counts[n]) : pool.size();
      const bool wanted = static_cast<int64_t>(n) >= a.min_gram_length && static_cast<int64_t>(n) <= a.max_gram_length;
      for (size_t at = first; at + n <= end; at += n, ++gram) {
        if (wanted) add(pool, at, n, a.ngram_indexes[static_cast<size_t>(gram)]);
      }
    }
  }
  /// The child of `node` by a token; 0 when there is none.
  size_t step(size_t node, const Token& token) const {
    const auto at = children_.find({node, token});
    return at == children_.end() ? 0 : at->second;
  }
  /// The column of the n-gram that ends here, or -1.
  int64_t column(size_t node) const { return columns_[node]; }

 private:
  void add(const std::vector<Token>& pool, size_t at, size_t n, int64_t column) {
    size_t node = 0;
    for (size_t i = at; i < at + n; ++i) {
      const auto [child, fresh] = children_.emplace(std::pair(node, pool[i]), columns_.size());
      if (fresh) columns_.push_back(-1);
      node = child->second;
    }
    columns_[node] = column;
  }
  std::map<std::pair<size_t, Token>, size_t> children_;
  std::vector<int64_t> columns_{-1};
};

/// Counts into `counts`: single tokens once, longer n-grams for every skip.
template <class Token>
void count_row(const TfIdfAttrs& a, const GramTree<Token>& tree, std::span<const Token> row, float* counts) {
  const auto length = static_cast<int64_t>(row.size());
  int64_t least = a.min_gram_length;
  for (int64_t stride = 1; stride - 1 <= a.max_skip_count && stride <= std::max<int64_t>(length, 1); ++stride) {
    for (int64_t start = 0; start < length; ++start) {
      size_t node = 0;
      int64_t n = 1;
      for (int64_t at = start; at < length && n <= a.max_gram_length; at += stride, ++n) {
        node = tree.step(node, row[static_cast<size_t>(at)]);
        if (node == 0) break;
        if (n >= least && tree.column(node) >= 0) counts[tree.column(node)] += 1;
      }
    }
    if (least == 1 && ++least > a.max_gram_length) break;
  }
}

template <class Token>
Status count_all(RefContext& c, const std::vector<Token>& pool, const std::vector<Token>& tokens) {
  const auto& a = c.attrs<TfIdfAttrs>();
  const Dims dims = TRY(actual_dims(c)), from = c.in(0).dims();
  Tensor y = c.out(0, ElementType::f32, dims);
  auto* out = y.as<float>();
  std::fill_n(out, dims.count(), 0.0f);
  const GramTree<Token> tree(a, pool);
  const int64_t columns = dims.back(), rows = dims.rank() == 2 ? dims[0] : 1, length = from.rank() == 0 ? 1 : from.back();
  for (int64_t r = 0; r < rows; ++r) {
    float* counts = out + r * columns;
    count_row<Token>(a, tree, std::span(tokens).subspan(static_cast<size_t>(r * length), static_cast<size_t>(length)), counts);
    if (a.mode == "TF") continue;
    for (int64_t i = 0; i < columns; ++i) {
      const float weight = static_cast<size_t>(i) < a.weights.size() ? a.weights[static_cast<size_t>(i)] : 1.0f;
      counts[i] = a.mode == "IDF" ? (counts[i] > 0 ? weight : 0) : weight * counts[i];
    }
  }
  return {};
}

Status run(RefContext& c) {
  const auto& a = c.attrs<TfIdfAttrs>();
  TRY(actual_facts(c));
  if (c.in(0).type() != ElementType::string) return count_all<int64_t>(c, a.pool_int64s, c.ints(0));
  const auto* words = c.in(0).as<std::string>();
  return count_all<std::string>(c, a.pool_strings, std::vector<std::string>(words, words + c.in(0).count()));
}

std::vector<Sample> samples() {
  using A = TfIdfAttrs;
  A numbers{"TF", 1, 2, 5, {0, 4}, {0, 1, 2, 3, 4, 5, 6}, {2, 3, 5, 4, 5, 6, 7, 8, 6, 7}, {}, {}};
  const Tensor rows = sample::numbers(E::i64, {2, 6}, {1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8});
  A weighted = numbers;
  weighted.mode = "TFIDF";
  weighted.weights = {1, 2, 3, 4, 5, 6, 0.5f};
  A words{"IDF", 1, 1, 0, {0}, {1, 0}, {}, {"b", "a"}, {}};
  return {{"rows", numbers, {{rows}}},
          {"weighted", weighted, {{rows}}},
          {"words", words, {{sample::strings({4}, {"a", "c", "a", "b"})}}},
          {"nothing", words, {{sample::strings({0}, {})}}}};
}

}  // namespace

OpFamily tfidf_vectorizer() {
  return {Op("TfIdfVectorizer", {9})
              .attrs<TfIdfAttrs>()
              .in("X", types(E::string, E::i32, E::i64))
              .out("Y", types(E::f32), 'Y')
              .infer(infer)
              .reference(run)
              .samples(samples)
              .doc("Counts of known n-grams, weighted when asked.")};
}

}  // namespace slipway::ops
