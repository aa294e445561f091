// Pad.
#include "ops/pad.hpp"

#include "ops/function.hpp"
#include "ops/moves.hpp"
#include "ops/onnx_node.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

struct Pads {
  std::vector<int64_t> begin, end;
};

/// pads and axes as one pair per axis of the data.
Result<Pads> spread(const std::vector<int64_t>& pads, const std::optional<std::vector<int64_t>>& axes, int rank) {
  const size_t n = axes ? axes->size() : static_cast<size_t>(rank);
  if (pads.size() != 2 * n) return fail(ErrorCode::invalid_model, "pads has {} elements for {} axes", pads.size(), n);
  Pads out{std::vector<int64_t>(static_cast<size_t>(rank), 0), std::vector<int64_t>(static_cast<size_t>(rank), 0)};
  std::vector<bool> seen(static_cast<size_t>(rank), false);
  for (size_t i = 0; i < n; ++i) {
    const auto axis = axes ? static_cast<size_t>(TRY(normalize_axis((*axes)[i], rank))) : i;
    if (seen[axis]) return fail(ErrorCode::invalid_model, "axis {} is padded twice", axis);
    seen[axis] = true;
    for (const int64_t pad : {pads[i], pads[n + i]}) {
      if (pad < -kMaxElements || pad > kMaxElements) return fail(ErrorCode::limit, "axis {} is padded by {}", axis, pad);
    }
    out.begin[axis] = pads[i];
    out.end[axis] = pads[n + i];
  }
  return out;
}

Status infer_pad(InferContext& c) {
  const std::string& mode = c.attrs<PadAttrs>().mode;
  if (mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap") {
    return fail(ErrorCode::invalid_model, "pad mode '{}' is not one of constant, reflect, edge, wrap", mode);
  }
  const Shape* in = c.shape(0);
  const auto pads = c.ints(1), axes = c.ints(3);
  if (in == nullptr) {
    c.set(0, c.type(0));
    return {};
  }
  Shape out(in->size(), Dim::unknown());
  if (pads && (axes || !c.has_input(3))) {
    const Pads p = TRY(spread(*pads, axes, static_cast<int>(in->size())));
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = (*in)[i];
      if (p.begin[i] == 0 && p.end[i] == 0) continue;
      if (!(*in)[i].known()) {
        out[i] = Dim::unknown();
        continue;
      }
      const int64_t extent = (*in)[i].value() + p.begin[i] + p.end[i];
      if (extent < 0) {
        return fail(ErrorCode::invalid_model, "axis {} of {} elements is padded by {} and {}", i, (*in)[i].value(), p.begin[i],
                    p.end[i]);
      }
      if (mode != "constant" && (*in)[i].value() == 0 && extent > 0) {
        return fail(ErrorCode::invalid_model, "axis {} has no element that mode '{}' could repeat", i, mode);
      }
      out[i] = extent;
    }
    TRY(check_size(out));
  }
  c.set(0, c.type(0), std::move(out));
  return {};
}

Status run_pad(RefContext& c) {
  const Tensor& x = c.in(0);
  const std::string& mode = c.attrs<PadAttrs>().mode;
  Tensor y = c.out(0, x.type(), TRY(actual_dims(c)));
  const int rank = x.dims().rank();
  const Pads pads = TRY(spread(c.ints(1), c.has(3) ? std::optional(c.ints(3)) : std::nullopt, rank));
  Tensor zero;
  if (!c.has(2) || c.in(2).count() == 0) zero = Tensor(x.type(), {});
  const Tensor& fill = zero ? zero : c.in(2);
  std::vector<std::vector<int64_t>> sources(static_cast<size_t>(rank));  // per axis and output index: the input index, or -1
  for (int a = 0; a < rank; ++a) {
    const auto at = static_cast<size_t>(a);
    for (int64_t i = 0; i < y.dims()[a]; ++i) sources[at].push_back(pad_source(mode, i - pads.begin[at], x.dims()[a]));
  }
  const Dims strides = x.dims().strides();
  Dims index = Dims::of_rank(rank, 0);
  for (int64_t n = 0; n < y.count(); ++n) {
    int64_t from = 0;
    bool inside = true;
    for (int a = 0; a < rank; ++a) {
      const int64_t source = sources[static_cast<size_t>(a)][static_cast<size_t>(index[a])];
      inside = inside && source >= 0;
      from += source * strides[a];
    }
    copy_element(y, n, inside ? x : fill, inside ? from : 0);
    for (int a = rank - 1; a >= 0 && ++index[a] == y.dims()[a]; --a) index[a] = 0;
  }
  return {};
}

Status upgrade_pad(OnnxNode& n) {
  if (n.version >= 11) return {};
  if (n.has("paddings")) n.attrs["pads"] = n.take("paddings");
  n.ints_to_input("pads", 1);
  n.float_to_input("value", 2);
  return {};
}

std::vector<Sample> samples() {
  using sample::constant;
  using sample::counting;
  using sample::ints;
  using sample::numbers;
  return {{"constant", PadAttrs{}, {{counting({2, 3})}, constant(ints({0, 2, 1, 0})), constant(Tensor::scalar(1.5F))}},
          {"default_zero", PadAttrs{}, {{counting(ElementType::i32, {1, 2, 3, 3}, 1)}, constant(ints({0, 0, 1, 1, 0, 0, 1, 1}))}},
          {"reflect", PadAttrs{"reflect"}, {{counting({1, 1, 4, 5})}, constant(ints({0, 0, 1, 2, 0, 0, 3, 1}))}},
          {"edge", PadAttrs{"edge"}, {{counting(ElementType::f16, {2, 3})}, constant(ints({1, 1, 0, 2}))}},
          {"wrap", PadAttrs{"wrap"}, {{counting({3, 4})}, constant(ints({2, 1, 1, 5}))}},
          {"crop", PadAttrs{}, {{counting({4, 5})}, constant(ints({-1, 1, 0, -2}))}},
          {"axes",
           PadAttrs{},
           {{counting(ElementType::u8, {2, 2, 3})},
            constant(ints({1, 0, 0, 2})),
            constant(numbers(ElementType::u8, {}, {9})),
            constant(ints({-1, 0}))}},
          {"four_bit", PadAttrs{}, {{counting(ElementType::u4, {3})}, constant(ints({1, 2}))}},
          {"from_empty", PadAttrs{}, {{counting({0, 2})}, constant(ints({1, 0, 1, 0}))}}};
}

/// In both domains the same.
Op pad_op(std::vector<int> versions, std::string_view domain) {
  return Op("Pad", std::move(versions), domain)
      .attrs<PadAttrs>()
      .in("data", kAll)
      .in("pads", types(ElementType::i64), 'P')
      .opt("constant_value", kAll)
      .opt("axes", kIndex, 'I')
      .out("output")
      .reads_value(1, 3)
      .infer(infer_pad)
      .reference(run_pad)
      .samples(samples)
      .upgrade(upgrade_pad)
      .doc("Elements added before and after each axis: constant, mirrored, repeated or wrapped.");
}
void pad_alias(FunctionBody& b) {
  b.set(0, b.node("Pad", b.attrs<PadAttrs>(), {b.in(0), b.in(1), b.in(2), b.in(3)}));
}

}  // namespace

OpFamily pad() {
  return {pad_op({1, 2, 11, 13, 18, 19, 21, 23, 24, 25}, ""), function<pad_alias, PadAttrs>(pad_op({1}, "com.microsoft"))};
}

}  // namespace slipway::ops
