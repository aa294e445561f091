// What the references of data movement share: output extents by the operator's own shape rule, runs of elements, size limits.
#pragma once

#include <cstring>

#include "ops/reference.hpp"

namespace slipway::ops {

/// No tensor that a value asks for (Expand, Tile, Range, Pad, ...) may have more elements.
constexpr int64_t kMaxElements = int64_t{1} << 36;

/// limit when the known extents of `shape` multiply to more than kMaxElements or its rank is above kMaxRank.
inline Status check_size(const Shape& shape) {
  if (shape.size() > static_cast<size_t>(kMaxRank)) {
    return fail(ErrorCode::limit, "a tensor of rank {} is asked for, the limit is {}", shape.size(), kMaxRank);
  }
  std::vector<int64_t> known;
  for (const Dim d : shape) {
    if (d.known()) known.push_back(d.value());
  }
  if (checked_count(known, kMaxElements) < 0) {
    return fail(ErrorCode::limit, "a tensor of {} is asked for, the limit is {} elements",
                to_string(Fact::tensor(ElementType::undefined, shape)), kMaxElements);
  }
  return {};
}

/// What a value is, as a fact.
inline Fact fact_of(const Value& value) {
  if (const Tensor* t = value.tensor()) return Fact::tensor(t->type(), t->dims());
  if (value.sequence() != nullptr) return Fact::sequence(value.sequence()->empty() ? Fact() : fact_of(value.sequence()->front()));
  if (const ir::Map* m = value.map()) return Fact::map(m->keys.type(), Fact::tensor(m->values.type()));
  Fact nothing;
  nothing.optional = true;
  return nothing;
}

/// The facts of the outputs for the actual inputs, by the operator's shape rule, which so checks them in one place.
inline Result<std::vector<Fact>> actual_facts(const RefContext& c) {
  std::vector<Fact> facts(c.input_count());
  std::vector<const Fact*> fact_list(c.input_count(), nullptr);
  std::vector<const Tensor*> values(c.input_count(), nullptr);
  for (size_t i = 0; i < c.input_count(); ++i) {
    if (!c.has(i)) continue;
    facts[i] = fact_of(c.value(i));
    fact_list[i] = &facts[i];
    values[i] = c.value(i).tensor();
  }
  InferContext context(c.node().attrs, fact_list, values, c.output_count());
  TRY(c.node().op->infer(context));
  return std::move(context).take();
}

/// The extents of output i for the actual inputs.
inline Result<Dims> actual_dims(const RefContext& c, size_t i = 0) {
  Fact fact = TRY(actual_facts(c))[i];
  if (fact.shape) TRY(check_size(*fact.shape));
  if (fact.type == ElementType::string) fact.type = ElementType::u8;
  if (!fact.is_static()) return fail(ErrorCode::internal, "the shape of output {} does not follow from its inputs", i);
  return fact.dims();
}

/// Copies `count` neighbouring elements; types equal, ranges inside both tensors.
inline void copy_run(Tensor& to, int64_t to_index, const Tensor& from, int64_t from_index, int64_t count) {
  const int width = bits(to.type());
  if (width < 8) {
    for (int64_t i = 0; i < count; ++i) copy_element(to, to_index + i, from, from_index + i);
    return;
  }
  const auto size = static_cast<size_t>(width / 8);
  if (count > 0) {
    std::memcpy(to.as<char>() + static_cast<size_t>(to_index) * size, from.as<char>() + static_cast<size_t>(from_index) * size,
                static_cast<size_t>(count) * size);
  }
}

/// Two extents that must be equal: the better known one, or an error that names both and the axis.
inline Result<Dim> same_extent(Dim a, Dim b, size_t axis) {
  if (a.known() && b.known() && a != b) {
    return fail(ErrorCode::invalid_model, "extents {} and {} of axis {} must be equal", a.value(), b.value(), axis);
  }
  return b.known() || (!a.known() && !a.is_symbol()) ? b : a;
}

/// data_fault that names the index, the extent and the axis.
inline Error index_fault(int64_t index, int64_t extent, int64_t axis) {
  return fail(ErrorCode::data_fault, "index {} is out of range for the {} elements of axis {}", index, extent, axis);
}
/// Index in [-extent, extent) made non-negative; data_fault otherwise.
inline Result<int64_t> normalize_index(int64_t index, int64_t extent, int64_t axis) {
  if (index < -extent || index >= extent) return index_fault(index, extent, axis);
  return index < 0 ? index + extent : index;
}

}  // namespace slipway::ops
