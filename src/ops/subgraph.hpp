// What operators with sub-graphs and sequences share: facts of a sub-graph's outputs, slices and stacks of tensors.
#pragma once

#include "ops/moves.hpp"

namespace slipway::ops {

/// A fact without symbols: those of a sub-graph mean nothing outside.
inline Fact without_symbols(Fact fact) {
  if (fact.shape) {
    for (Dim& d : *fact.shape) d = d.known() ? d : Dim::unknown();
  }
  if (fact.element) fact.element = std::make_shared<const Fact>(without_symbols(*fact.element));
  return fact;
}

/// The fact of output i of a sub-graph, as the outer graph may know it.
inline Fact output_fact(const ir::Graph& graph, size_t i) {
  return without_symbols(graph.value(graph.outputs()[i]).fact);
}

/// What holds of a value that is one or the other. invalid_model when kinds or element types contradict.
inline Result<Fact> either(const Fact& a, const Fact& b) {
  Fact out = a.kind == Fact::Kind::unknown ? b : a;
  const Fact& other = a.kind == Fact::Kind::unknown ? a : b;
  out.optional = a.optional || b.optional;
  if (other.kind == Fact::Kind::unknown) {
    out.shape.reset();
    return out;
  }
  if (out.type == ElementType::undefined) out.type = other.type;
  if (out.kind != other.kind || (out.type != other.type && other.type != ElementType::undefined)) {
    return fail(ErrorCode::invalid_model, "a value would be either {} or {}", to_string(a), to_string(b));
  }
  if (out.element && other.element) {
    out.element = std::make_shared<const Fact>(TRY(either(*out.element, *other.element)));
  } else if (!out.element) {
    out.element = other.element;
  }
  if (!out.shape || !other.shape || out.shape->size() != other.shape->size()) {
    out.shape.reset();
  } else {
    for (size_t i = 0; i < out.shape->size(); ++i) {
      if (!(*out.shape)[i].same((*other.shape)[i])) (*out.shape)[i] = Dim::unknown();
    }
  }
  return out;
}

/// The slice at `index` of an axis, without that axis. The index is inside.
inline Tensor slice_of(const Tensor& x, int axis, int64_t index) {
  Dims dims;
  for (int a = 0; a < x.dims().rank(); ++a) {
    if (a != axis) dims.push_back(x.dims()[a]);
  }
  Tensor y(x.type(), dims);
  const int rank = x.dims().rank();
  const int64_t outer = x.dims().count(0, axis), inner = x.dims().count(axis + 1, rank), extent = x.dims()[axis];
  for (int64_t o = 0; o < outer; ++o) copy_run(y, o * inner, x, (o * extent + index) * inner, inner);
  return y;
}

/// Tensors of one type and shape along a new axis, in reversed order when asked. For none of them `one` says type and shape
/// (unknown extents become 0). data_fault when they differ.
inline Result<Tensor> stack(const std::vector<Tensor>& parts, int64_t at_axis, bool reversed, const Fact& one) {
  if (parts.empty() && one.type == ElementType::undefined) {
    return fail(ErrorCode::data_fault, "nothing was collected and the element type of the output is not known");
  }
  const ElementType type = parts.empty() ? one.type : parts[0].type();
  Dims part;
  if (!parts.empty()) {
    part = parts[0].dims();
  } else if (one.shape) {
    for (const Dim d : *one.shape) part.push_back(d.known() ? d.value() : 0);
  }
  if (part.rank() + 1 > kMaxRank) return fail(ErrorCode::limit, "rank {} is above the limit {}", part.rank() + 1, kMaxRank);
  const int axis = TRY(normalize_axis(at_axis, part.rank() + 1));
  const auto count = static_cast<int64_t>(parts.size());
  Dims dims;
  for (int a = 0; a < axis; ++a) dims.push_back(part[a]);
  dims.push_back(count);
  for (int a = axis; a < part.rank(); ++a) dims.push_back(part[a]);
  TRY(check_size(Shape(dims.begin(), dims.end())));
  Tensor y(type, dims);
  const int64_t outer = part.count(0, axis), inner = part.count(axis, part.rank());
  for (int64_t i = 0; i < count; ++i) {
    const Tensor& x = parts[static_cast<size_t>(reversed ? count - 1 - i : i)];
    if (x.type() != type || !(x.dims() == part)) {
      return fail(ErrorCode::data_fault, "tensors of shapes {} and {} cannot be stacked", to_string(part), to_string(x.dims()));
    }
    for (int64_t o = 0; o < outer; ++o) copy_run(y, (o * count + i) * inner, x, o * inner, inner);
  }
  return y;
}

}  // namespace slipway::ops
