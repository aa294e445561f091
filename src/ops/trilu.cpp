// Trilu.
#include "ops/elementwise.hpp"
#include "ops/function.hpp"
#include "ops/moves.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

struct TriluAttrs {
  bool upper = true;
  bool operator==(const TriluAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("upper", &TriluAttrs::upper)}; }
};

Status infer_trilu(InferContext& c) {
  const Shape* in = c.shape(0);
  if (in != nullptr && in->size() < 2)
    return fail(ErrorCode::invalid_model, "the input has the rank {}, it must be 2 or more", in->size());
  return infer_same(c);
}

Status run_trilu(RefContext& c) {
  const bool upper = c.attrs<TriluAttrs>().upper;
  const Tensor& x = c.in(0);
  if (c.has(1) && c.in(1).count() != 1) return fail(ErrorCode::invalid_model, "k must be one number");
  const int64_t k = c.has(1) ? c.ints(1)[0] : 0;
  Tensor y = c.out(0, x.type(), TRY(actual_dims(c)));
  const Tensor zero(x.type(), {});
  const int rank = x.dims().rank();
  const int64_t rows = x.dims()[rank - 2], columns = x.dims()[rank - 1];
  for (int64_t n = 0; n < x.count(); ++n) {
    const int64_t diagonal = n % columns - n / columns % rows;
    const bool kept = upper ? diagonal >= k : diagonal <= k;
    copy_element(y, n, kept ? x : zero, kept ? n : 0);
  }
  return {};
}

std::vector<Sample> samples() {
  using sample::constant;
  using sample::counting;
  return {{"upper", TriluAttrs{}, {{counting({4, 5}, 1)}}},
          {"lower", TriluAttrs{false}, {{counting(ElementType::i64, {4, 5}, 1)}}},
          {"upper_k", TriluAttrs{}, {{counting(ElementType::f16, {2, 3, 3}, 1)}, constant(Tensor::scalar(int64_t{1}))}},
          {"lower_k", TriluAttrs{false}, {{counting({3, 4}, 1)}, {Tensor::scalar(int64_t{-2})}}},
          {"far_k", TriluAttrs{}, {{counting(ElementType::u8, {2, 2}, 1)}, {Tensor::scalar(int64_t{9})}}},
          {"empty", TriluAttrs{}, {{counting({3, 0, 5})}}}};
}

/// In both domains the same.
Op trilu_op(std::vector<int> versions, std::string_view domain) {
  return Op("Trilu", std::move(versions), domain)
      .attrs<TriluAttrs>()
      .in("input", kNumeric | kBool | kString | kComplex)
      .opt("k", types(ElementType::i64), 'I')
      .out("output")
      .infer(infer_trilu)
      .reference(run_trilu)
      .samples(samples)
      .doc("The upper or lower triangle of matrices, zeros elsewhere.");
}
void trilu_alias(FunctionBody& b) {
  b.set(0, b.node("Trilu", b.attrs<TriluAttrs>(), {b.in(0), b.in(1)}));
}

}  // namespace

OpFamily trilu() {
  return {trilu_op({14}, ""), function<trilu_alias, TriluAttrs>(trilu_op({1}, "com.microsoft"))};
}

}  // namespace slipway::ops
