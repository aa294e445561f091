// Reshape, Flatten, Squeeze, Unsqueeze.
#include "ops/reshape.hpp"

#include <algorithm>

#include "ops/moves.hpp"
#include "ops/onnx_node.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

/// What the -1 of a target shape stands for: the input's elements over those of the other extents. Equal symbols cancel.
Result<Dim> remaining_extent(const Shape& input, Shape others) {
  int64_t have = 1, need = 1;
  bool open = false;
  for (const Dim d : input) {
    if (d.known()) {
      have *= d.value();
      continue;
    }
    const auto same = std::find_if(others.begin(), others.end(), [d](Dim o) { return o.same(d); });
    if (same == others.end()) {
      open = true;
    } else {
      others.erase(same);
    }
  }
  for (const Dim d : others) {
    if (d.known()) {
      need *= d.value();
    } else {
      open = true;
    }
  }
  if (open) return Dim::unknown();
  if (need == 0 || have % need != 0) {
    return fail(ErrorCode::invalid_model, "{} elements cannot be divided into pieces of {} for the extent -1", have, need);
  }
  return Dim(have / need);
}

Status check_same_count(const Shape& from, const Shape& to) {
  int64_t a = 1, b = 1;
  for (const Dim d : from) a = d.known() && a >= 0 ? a * d.value() : -1;
  for (const Dim d : to) b = d.known() && b >= 0 ? b * d.value() : -1;
  if (a >= 0 && b >= 0 && a != b) {
    return fail(ErrorCode::invalid_model, "{} elements cannot take a shape of {} elements", a, b);
  }
  return {};
}

Result<Shape> reshaped(const Shape* input, const std::vector<int64_t>& target, bool allowzero) {
  Shape out;
  std::optional<size_t> open;
  for (size_t i = 0; i < target.size(); ++i) {
    if (target[i] == -1) {
      if (open) return fail(ErrorCode::invalid_model, "the target shape has more than one -1");
      open = i;
      out.push_back(Dim::unknown());
    } else if (target[i] < 0) {
      return fail(ErrorCode::invalid_model, "the target shape has the extent {}", target[i]);
    } else if (target[i] == 0 && !allowzero) {
      if (input != nullptr && i >= input->size()) {
        return fail(ErrorCode::invalid_model, "the target shape copies axis {} of an input of rank {}", i, input->size());
      }
      out.push_back(input != nullptr ? (*input)[i] : Dim::unknown());
    } else {
      out.push_back(target[i]);
    }
  }
  TRY(check_size(out));
  if (input == nullptr) return out;
  TRY(check_size(*input));
  if (open) {
    Shape others = out;
    others.erase(others.begin() + static_cast<ptrdiff_t>(*open));
    out[*open] = TRY(remaining_extent(*input, std::move(others)));
  }
  TRY(check_same_count(*input, out));
  return out;
}

/// A shape of as many unknown extents as the 1-D tensor `list` has elements; nullopt when that is unknown.
std::optional<Shape> unknown_shape(const Shape* list, int64_t more = 0) {
  if (list == nullptr || list->size() != 1 || !(*list)[0].known()) return std::nullopt;
  const int64_t rank = (*list)[0].value() + more;
  if (rank < 0 || rank > kMaxRank) return std::nullopt;
  return Shape(static_cast<size_t>(rank), Dim::unknown());
}

Status infer_reshape(InferContext& c) {
  const auto target = c.ints(1);
  if (target) {
    c.set(0, c.type(0), TRY(reshaped(c.shape(0), *target, c.attrs<ReshapeAttrs>().allowzero)));
  } else {
    c.set(0, c.type(0), unknown_shape(c.shape(1)));
  }
  return {};
}

Status infer_flatten(InferContext& c) {
  const Shape* in = c.shape(0);
  Shape out = {Dim::unknown(), Dim::unknown()};
  if (in != nullptr) {
    const auto rank = static_cast<int64_t>(in->size());
    int64_t axis = c.attrs<FlattenAttrs>().axis;
    if (axis < -rank || axis > rank) {
      return fail(ErrorCode::invalid_model, "axis {} is out of range for an input of rank {}", axis, rank);
    }
    if (axis < 0) axis += rank;
    out = {1, 1};
    for (int64_t i = 0; i < rank; ++i) out[i < axis ? 0 : 1] = out[i < axis ? 0 : 1] * (*in)[static_cast<size_t>(i)];
  }
  c.set(0, c.type(0), std::move(out));
  return {};
}

/// axes made non-negative, as a flag for each of `rank` axes.
Result<std::vector<bool>> axis_flags(const std::vector<int64_t>& axes, int rank) {
  std::vector<bool> out(static_cast<size_t>(rank), false);
  for (const int64_t a : axes) {
    const auto axis = static_cast<size_t>(TRY(normalize_axis(a, rank)));
    if (out[axis]) return fail(ErrorCode::invalid_model, "axis {} stands twice in axes", a);
    out[axis] = true;
  }
  return out;
}

Status infer_squeeze(InferContext& c) {
  const Shape* in = c.shape(0);
  const auto axes = c.ints(1);
  std::optional<Shape> out;
  if (c.has_input(1) && !axes) {
    const Shape* list = c.shape(1);
    if (in != nullptr && list != nullptr && list->size() == 1 && (*list)[0].known()) {
      const int64_t rank = static_cast<int64_t>(in->size()) - (*list)[0].value();
      if (rank < 0) return fail(ErrorCode::invalid_model, "more axes are removed than the input's {}", in->size());
      out = Shape(static_cast<size_t>(rank), Dim::unknown());
    }
  } else if (in != nullptr && axes) {
    const std::vector<bool> gone = TRY(axis_flags(*axes, static_cast<int>(in->size())));
    out = Shape();
    for (size_t i = 0; i < in->size(); ++i) {
      if (!gone[i]) {
        out->push_back((*in)[i]);
      } else if ((*in)[i].known() && (*in)[i].value() != 1) {
        return fail(ErrorCode::invalid_model, "axis {} has the extent {} and cannot be removed", i, (*in)[i].value());
      }
    }
  } else if (in != nullptr && std::all_of(in->begin(), in->end(), [](Dim d) { return d.known(); })) {
    out = Shape();
    for (const Dim d : *in) {
      if (d.value() != 1) out->push_back(d);
    }
  }
  c.set(0, c.type(0), std::move(out));
  return {};
}

Status infer_unsqueeze(InferContext& c) {
  const Shape* in = c.shape(0);
  const auto axes = c.ints(1);
  if (in == nullptr || !axes) {
    c.set(0, c.type(0), in == nullptr ? std::nullopt : unknown_shape(c.shape(1), static_cast<int64_t>(in->size())));
    return {};
  }
  const size_t rank = in->size() + axes->size();
  if (rank > static_cast<size_t>(kMaxRank)) return fail(ErrorCode::limit, "rank {} is above the limit {}", rank, kMaxRank);
  const std::vector<bool> added = TRY(axis_flags(*axes, static_cast<int>(rank)));
  Shape out;
  auto next = in->begin();
  for (size_t i = 0; i < rank; ++i) out.push_back(added[i] ? Dim(1) : *next++);
  c.set(0, c.type(0), std::move(out));
  return {};
}

/// The reference of all four: the same bytes under the shape that the shape rule gives.
Status run_view(RefContext& c) {
  c.set(0, c.in(0).reshaped(TRY(actual_dims(c))));
  return {};
}

Status upgrade_reshape(OnnxNode& n) {
  if (n.version >= 5) return {};
  n.drop("consumed_inputs");
  n.ints_to_input("shape", 1);
  return {};
}

Status upgrade_axes(OnnxNode& n) {
  if (n.version >= 13) return {};
  n.ints_to_input("axes", 1);
  return {};
}

using sample::constant;
using sample::counting;
using sample::ints;

std::vector<Sample> reshape_samples() {
  return {{"reorder", ReshapeAttrs{}, {{counting({2, 3, 4})}, constant(ints({4, 2, 3}))}},
          {"minus_one", ReshapeAttrs{}, {{counting(ElementType::i64, {2, 3, 4})}, constant(ints({2, -1, 2}))}},
          {"copied_axes", ReshapeAttrs{}, {{counting(ElementType::f16, {2, 3, 4})}, constant(ints({0, -1}))}},
          {"allowzero", ReshapeAttrs{true}, {{counting({0, 3, 4})}, constant(ints({3, 4, 0}))}},
          {"to_scalar", ReshapeAttrs{}, {{counting(ElementType::u8, {1, 1})}, constant(ints({}))}},
          {"four_bit", ReshapeAttrs{}, {{counting(ElementType::i4, {3, 3})}, constant(ints({9}))}},
          {"shape_at_run_time", ReshapeAttrs{}, {{counting({2, 6})}, {ints({3, -1})}}}};
}

std::vector<Sample> flatten_samples() {
  return {{"axis1", FlattenAttrs{}, {{counting({2, 3, 4, 5})}}},
          {"axis0", FlattenAttrs{0}, {{counting(ElementType::f16, {2, 3})}}},
          {"axis_end", FlattenAttrs{3}, {{counting(ElementType::i32, {2, 3, 2})}}},
          {"negative", FlattenAttrs{-2}, {{counting({2, 3, 4, 5})}}},
          {"empty", FlattenAttrs{2}, {{counting({2, 0, 4})}}}};
}

std::vector<Sample> squeeze_samples() {
  return {{"one", NoAttrs{}, {{counting({1, 3, 4, 5})}, constant(ints({0}))}},
          {"negative", NoAttrs{}, {{counting(ElementType::i64, {1, 3, 1, 5})}, constant(ints({-2}))}},
          {"all_ones", NoAttrs{}, {{counting(ElementType::u8, {1, 3, 1, 5, 1})}}},
          {"two", NoAttrs{}, {{counting(ElementType::f16, {1, 3, 1})}, constant(ints({2, 0}))}}};
}

std::vector<Sample> unsqueeze_samples() {
  return {{"front", NoAttrs{}, {{counting({3, 4})}, constant(ints({0}))}},
          {"back", NoAttrs{}, {{counting(ElementType::i64, {3, 4})}, constant(ints({-1}))}},
          {"three", NoAttrs{}, {{counting(ElementType::boolean, {3, 4})}, constant(ints({4, 2, 0}))}},
          {"scalar", NoAttrs{}, {{counting(ElementType::f64, {})}, constant(ints({0, 1}))}}};
}

}  // namespace

OpFamily reshape() {
  return {Op("Reshape", {1, 5, 13, 14, 19, 21, 23, 24, 25})
              .attrs<ReshapeAttrs>()
              .in("data", kAll)
              .in("shape", types(ElementType::i64), 'I')
              .out("reshaped")
              .flag(ir::OpInfo::kView)
              .reads_value(1)
              .infer(infer_reshape)
              .reference(run_view)
              .samples(reshape_samples)
              .upgrade(upgrade_reshape)
              .doc("The same elements under another shape."),
          Op("Flatten", {1, 9, 11, 13, 21, 23, 24, 25})
              .attrs<FlattenAttrs>()
              .in("input", kAll)
              .out("output")
              .flag(ir::OpInfo::kView)
              .infer(infer_flatten)
              .reference(run_view)
              .samples(flatten_samples)
              .doc("A matrix: the extents before the axis by those from it on."),
          Op("Squeeze", {1, 11, 13, 21, 23, 24, 25})
              .in("data", kAll)
              .opt("axes", types(ElementType::i64), 'I')
              .out("squeezed")
              .flag(ir::OpInfo::kView)
              .reads_value(1)
              .infer(infer_squeeze)
              .reference(run_view)
              .samples(squeeze_samples)
              .upgrade(upgrade_axes)
              .doc("Axes of extent 1 removed."),
          Op("Unsqueeze", {1, 11, 13, 21, 23, 24, 25})
              .in("data", kAll)
              .in("axes", types(ElementType::i64), 'I')
              .out("expanded")
              .flag(ir::OpInfo::kView)
              .reads_value(1)
              .infer(infer_unsqueeze)
              .reference(run_view)
              .samples(unsqueeze_samples)
              .upgrade(upgrade_axes)
              .doc("Axes of extent 1 added.")};
}

}  // namespace slipway::ops
