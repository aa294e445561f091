// Sequences of tensors: made, read, changed, split and joined. A sequence is immutable, so a change is a new one that shares
// tensors.
#include "ops/moves.hpp"
#include "ops/onnx_node.hpp"
#include "ops/sample.hpp"
#include "ops/sample_body.hpp"
#include "ops/split.hpp"
#include "ops/subgraph.hpp"

namespace slipway::ops {
namespace {

using Values = std::vector<Value>;
constexpr TypeSet kElementTypes = kNumeric | kBool | kString | kComplex;

Value sequence_of(Values values) {
  return ir::Sequence(std::make_shared<const Values>(std::move(values)));
}

Result<const Values*> values_of(const RefContext& c, size_t i) {
  const Values* values = c.value(i).sequence();
  if (values == nullptr) return fail(ErrorCode::data_fault, "input {} must be a sequence", i);
  return values;
}

/// The position in input i, in [-count, limit), made non-negative.
Result<size_t> position(const RefContext& c, size_t i, size_t count, size_t limit) {
  if (c.in(i).count() != 1) return fail(ErrorCode::data_fault, "the position must be one number");
  const int64_t at = c.ints(i)[0], n = static_cast<int64_t>(count);
  if (at < -n || at >= static_cast<int64_t>(limit)) {
    return fail(ErrorCode::data_fault, "position {} is out of range for a sequence of {} elements", at, n);
  }
  return static_cast<size_t>(at < 0 ? at + n : at);
}

Status expect_sequence(const InferContext& c, size_t i) {
  const Fact::Kind kind = c.input(i).kind;
  if (kind == Fact::Kind::sequence || kind == Fact::Kind::unknown) return {};
  return fail(ErrorCode::invalid_model, "input {} must be a sequence, here it is {}", i, to_string(c.input(i)));
}

Fact element_fact(const Fact& sequence) {
  return sequence.element ? *sequence.element : Fact();
}

// ---- made and read

Status infer_construct(InferContext& c) {
  Fact element = c.input(0);
  for (size_t i = 1; i < c.input_count(); ++i) element = TRY(either(element, c.input(i)));
  c.set(0, Fact::sequence(std::move(element)));
  return {};
}

Status run_construct(RefContext& c) {
  Values values;
  for (size_t i = 0; i < c.input_count(); ++i) values.push_back(c.value(i));
  c.set(0, sequence_of(std::move(values)));
  return {};
}

struct SequenceEmptyAttrs {
  ElementType dtype = ElementType::f32;
  bool operator==(const SequenceEmptyAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("dtype", &SequenceEmptyAttrs::dtype)}; }
};

Status infer_empty(InferContext& c) {
  c.set(0, Fact::sequence(Fact::tensor(c.attrs<SequenceEmptyAttrs>().dtype)));
  return {};
}

Status run_empty(RefContext& c) {
  c.set(0, sequence_of({}));
  return {};
}

Status infer_at(InferContext& c) {
  TRY(expect_sequence(c, 0));
  c.set(0, element_fact(c.input(0)));
  return {};
}

Status run_at(RefContext& c) {
  const Values& values = *TRY(values_of(c, 0));
  c.set(0, values[TRY(position(c, 1, values.size(), values.size()))]);
  return {};
}

Status infer_length(InferContext& c) {
  TRY(expect_sequence(c, 0));
  c.set(0, ElementType::i64, Shape{});
  return {};
}

Status run_length(RefContext& c) {
  c.set(0, Tensor::scalar(static_cast<int64_t>(TRY(values_of(c, 0))->size())));
  return {};
}

// ---- changed

Status infer_insert(InferContext& c) {
  TRY(expect_sequence(c, 0));
  const Fact element = element_fact(c.input(0));
  Fact joined = element.kind == Fact::Kind::unknown ? element : TRY(either(element, c.input(1)));
  c.set(0, Fact::sequence(std::move(joined)));
  return {};
}

Status run_insert(RefContext& c) {
  Values values = *TRY(values_of(c, 0));
  const Tensor* first = values.empty() ? nullptr : values[0].tensor();
  if (first != nullptr && first->type() != c.in(1).type()) {
    return fail(ErrorCode::data_fault, "a tensor of {} cannot go into a sequence of {}", name(c.in(1).type()),
                name(first->type()));
  }
  const size_t at = c.has(2) ? TRY(position(c, 2, values.size(), values.size() + 1)) : values.size();
  values.insert(values.begin() + static_cast<ptrdiff_t>(at), c.value(1));
  c.set(0, sequence_of(std::move(values)));
  return {};
}

Status infer_erase(InferContext& c) {
  TRY(expect_sequence(c, 0));
  c.set(0, c.input(0));
  return {};
}

Status run_erase(RefContext& c) {
  Values values = *TRY(values_of(c, 0));
  if (values.empty()) return fail(ErrorCode::data_fault, "nothing can be erased from an empty sequence");
  const size_t at = c.has(1) ? TRY(position(c, 1, values.size(), values.size())) : values.size() - 1;
  values.erase(values.begin() + static_cast<ptrdiff_t>(at));
  c.set(0, sequence_of(std::move(values)));
  return {};
}

// ---- joined and split

struct ConcatFromSequenceAttrs {
  int64_t axis = 0;
  bool new_axis = false;  ///< stack along a new axis
  bool operator==(const ConcatFromSequenceAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("new_axis", &ConcatFromSequenceAttrs::new_axis), field("axis", &ConcatFromSequenceAttrs::axis, true)};
  }
};

Status infer_concat_from_sequence(InferContext& c) {
  TRY(expect_sequence(c, 0));
  const auto& attrs = c.attrs<ConcatFromSequenceAttrs>();
  const Fact element = element_fact(c.input(0));
  std::optional<Shape> out;
  if (element.shape) {
    const int rank = static_cast<int>(element.shape->size()) + (attrs.new_axis ? 1 : 0);
    const auto axis = TRY(normalize_axis(attrs.axis, rank));
    out = element.shape;
    if (attrs.new_axis) out->insert(out->begin() + axis, Dim::unknown());
    (*out)[static_cast<size_t>(axis)] = Dim::unknown();
  }
  c.set(0, element.type, std::move(out));
  return {};
}

Result<Tensor> concatenated(const std::vector<Tensor>& parts, int64_t at_axis) {
  Dims dims = parts[0].dims();
  const int rank = dims.rank(), axis = TRY(normalize_axis(at_axis, rank));
  dims[axis] = 0;
  for (const Tensor& part : parts) {
    Dims same = part.dims();
    if (same.rank() == rank) same[axis] = dims[axis];
    if (!(same == dims) || part.type() != parts[0].type()) {
      return fail(ErrorCode::data_fault, "tensors of shapes {} and {} cannot be joined along axis {}", to_string(parts[0].dims()),
                  to_string(part.dims()), axis);
    }
    dims[axis] += part.dims()[axis];
  }
  TRY(check_size(Shape(dims.begin(), dims.end())));
  Tensor y(parts[0].type(), dims);
  const int64_t outer = dims.count(0, axis), row = dims.count(axis, rank);
  int64_t at = 0;
  for (const Tensor& part : parts) {
    const int64_t run = part.dims().count(axis, rank);
    for (int64_t o = 0; o < outer; ++o) copy_run(y, o * row + at, part, o * run, run);
    at += run;
  }
  return y;
}

Status run_concat_from_sequence(RefContext& c) {
  const auto& attrs = c.attrs<ConcatFromSequenceAttrs>();
  std::vector<Tensor> parts;
  for (const Value& value : *TRY(values_of(c, 0))) {
    if (value.tensor() == nullptr) return fail(ErrorCode::data_fault, "the sequence holds something that is not a tensor");
    parts.push_back(*value.tensor());
  }
  if (parts.empty()) return fail(ErrorCode::data_fault, "an empty sequence cannot be joined");
  c.set(0, attrs.new_axis ? TRY(stack(parts, attrs.axis, false, Fact())) : TRY(concatenated(parts, attrs.axis)));
  return {};
}

struct SplitToSequenceAttrs {
  int64_t axis = 0;
  bool keepdims = true;  ///< without sizes: pieces of extent 1 keep the axis
  bool operator==(const SplitToSequenceAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("keepdims", &SplitToSequenceAttrs::keepdims), field("axis", &SplitToSequenceAttrs::axis)};
  }
};

Status infer_split_to_sequence(InferContext& c) {
  const auto& attrs = c.attrs<SplitToSequenceAttrs>();
  Fact element = c.input(0);
  if (element.shape) {
    const int axis = TRY(normalize_axis(attrs.axis, static_cast<int>(element.shape->size())));
    if (!c.has_input(1) && !attrs.keepdims) {
      element.shape->erase(element.shape->begin() + axis);
    } else {
      (*element.shape)[static_cast<size_t>(axis)] = c.has_input(1) ? Dim::unknown() : Dim(1);
    }
  }
  c.set(0, Fact::sequence(std::move(element)));
  return {};
}

/// The sizes of the pieces of an axis of `extent`: a scalar says the size of each (the last may be smaller), a list each size.
Result<std::vector<int64_t>> piece_sizes(const RefContext& c, int64_t extent) {
  if (!c.has(1)) return std::vector<int64_t>(static_cast<size_t>(extent), 1);
  std::vector<int64_t> sizes = c.ints(1);
  if (c.in(1).dims().rank() == 0) {
    const int64_t each = sizes[0];
    if (each < 1) return fail(ErrorCode::data_fault, "pieces of {} elements are asked for", each);
    sizes.clear();
    for (int64_t at = 0; at < extent; at += std::min(each, extent - at)) sizes.push_back(std::min(each, extent - at));
    return sizes;
  }
  int64_t left = extent;
  for (const int64_t size : sizes) {
    if (size < 0 || size > left) return fail(ErrorCode::data_fault, "the split sizes do not fit an axis of {} elements", extent);
    left -= size;
  }
  if (left != 0) return fail(ErrorCode::data_fault, "the split sizes leave {} of {} elements over", left, extent);
  return sizes;
}

Status run_split_to_sequence(RefContext& c) {
  const auto& attrs = c.attrs<SplitToSequenceAttrs>();
  const Tensor& x = c.in(0);
  const int rank = x.dims().rank(), axis = TRY(normalize_axis(attrs.axis, rank));
  const int64_t outer = x.dims().count(0, axis), row = x.dims().count(axis, rank), inner = x.dims().count(axis + 1, rank);
  Values values;
  int64_t at = 0;
  for (const int64_t size : TRY(piece_sizes(c, x.dims()[axis]))) {
    if (!c.has(1) && !attrs.keepdims) {
      values.push_back(slice_of(x, axis, static_cast<int64_t>(values.size())));
      continue;
    }
    Dims dims = x.dims();
    dims[axis] = size;
    Tensor piece(x.type(), dims);
    for (int64_t o = 0; o < outer; ++o) copy_run(piece, o * size * inner, x, o * row + at * inner, size * inner);
    at += size;
    values.push_back(std::move(piece));
  }
  c.set(0, sequence_of(std::move(values)));
  return {};
}

// ---- SequenceMap

struct SequenceMapAttrs {
  ir::GraphRef body;
  bool operator==(const SequenceMapAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("body", &SequenceMapAttrs::body, true)}; }
};

Status infer_map(InferContext& c) {
  const auto& attrs = c.attrs<SequenceMapAttrs>();
  TRY(expect_sequence(c, 0));
  if (!attrs.body || attrs.body->outputs().size() != c.output_count()) {
    return fail(ErrorCode::invalid_model, "the body must have one output for each of the node's {}", c.output_count());
  }
  for (size_t i = 0; i < c.output_count(); ++i) c.set(i, Fact::sequence(output_fact(*attrs.body, i)));
  return {};
}

Status run_map(RefContext& c) {
  const ir::Graph& body = *c.attrs<SequenceMapAttrs>().body;
  const size_t count = TRY(values_of(c, 0))->size();
  std::vector<Values> made(c.output_count());
  for (size_t k = 0; k < count; ++k) {
    Values arguments;
    for (size_t i = 0; i < c.input_count(); ++i) {
      const Values* values = c.has(i) ? c.value(i).sequence() : nullptr;
      if (values != nullptr && values->size() != count) {
        return fail(ErrorCode::data_fault, "input {} has {} elements, the first one {}; both must be equal", i, values->size(),
                    count);
      }
      arguments.push_back(values != nullptr ? (*values)[k] : c.has(i) ? c.value(i) : Value());
    }
    Values results = TRY(c.call(body, std::move(arguments)));
    if (results.size() != made.size())
      return fail(ErrorCode::invalid_model, "the body has {} outputs, the node {}", results.size(), made.size());
    for (size_t i = 0; i < made.size(); ++i) made[i].push_back(std::move(results[i]));
  }
  for (size_t i = 0; i < made.size(); ++i) c.set(i, sequence_of(std::move(made[i])));
  return {};
}

// ---- samples

using sample::counting;
using sample::ints;
using sample::numbers;

Value three() {
  return sequence_of({counting({2}), counting({3}, 10), counting({1}, 20)});
}

std::vector<Sample> construct_samples() {
  return {{"two", NoAttrs{}, {{counting({2, 3})}, {counting({1, 3}, 9)}}},
          {"strings", NoAttrs{}, {{counting(ElementType::string, {2})}}}};
}
std::vector<Sample> empty_samples() {
  return {{"default", SequenceEmptyAttrs{}, {}}, {"i64", SequenceEmptyAttrs{ElementType::i64}, {}}};
}
std::vector<Sample> at_samples() {
  return {{"first", NoAttrs{}, {{three()}, {Tensor::scalar(int64_t{0})}}},
          {"last", NoAttrs{}, {{three()}, {numbers(ElementType::i32, {}, {-1})}}}};
}
std::vector<Sample> length_samples() {
  return {{"three", NoAttrs{}, {{three()}}}, {"none", NoAttrs{}, {{sequence_of({})}}}};
}
std::vector<Sample> insert_samples() {
  return {{"end", NoAttrs{}, {{three()}, {counting({2}, 5)}}},
          {"front", NoAttrs{}, {{three()}, {counting({2}, 5)}, {Tensor::scalar(int64_t{-3})}}},
          {"into_empty", NoAttrs{}, {{sequence_of({})}, {counting(ElementType::i64, {1})}, {Tensor::scalar(int64_t{0})}}}};
}
std::vector<Sample> erase_samples() {
  return {{"last", NoAttrs{}, {{three()}}}, {"middle", NoAttrs{}, {{three()}, {Tensor::scalar(int64_t{1})}}}};
}
std::vector<Sample> concat_from_sequence_samples() {
  return {{"joined", ConcatFromSequenceAttrs{0}, {{three()}}},
          {"stacked", ConcatFromSequenceAttrs{-1, true}, {{sequence_of({counting({2}), counting({2}, 5)})}}}};
}
std::vector<Sample> split_to_sequence_samples() {
  return {{"each", SplitToSequenceAttrs{}, {{counting({3, 2})}}},
          {"no_axis", SplitToSequenceAttrs{1, false}, {{counting(ElementType::i64, {2, 3})}}},
          {"size", SplitToSequenceAttrs{}, {{counting({5})}, {Tensor::scalar(int64_t{2})}}},
          {"sizes", SplitToSequenceAttrs{-1}, {{counting(ElementType::string, {4})}, {ints({3, 1})}}}};
}

std::vector<Sample> map_samples() {
  const auto body =
      sample::body({Fact::tensor(ElementType::f32, Shape{Dim::unknown()}), Fact::tensor(ElementType::f32, Shape{1})},
                   [](ir::Graph& g) -> std::vector<ir::ValueId> { return {sample::node(g, "Add", g.inputs())}; });
  return {
      {"sequence_and_tensor", SequenceMapAttrs{body}, {{three()}, {counting({1}, 100)}}},
      {"two_sequences", SequenceMapAttrs{body}, {{three()}, {sequence_of({counting({1}), counting({1}, 1), counting({1}, 2)})}}},
      {"nothing", SequenceMapAttrs{body}, {{sequence_of({})}, {counting({1})}}}};
}

}  // namespace

OpFamily sequence() {
  constexpr uint32_t kHost = ir::OpInfo::kDataDependent;
  return {Op("SequenceConstruct", {11})
              .in_list("inputs", kElementTypes)
              .out_any("output_sequence")
              .flag(kHost)
              .infer(infer_construct)
              .reference(run_construct)
              .samples(construct_samples)
              .doc("A sequence of the given tensors."),
          Op("SequenceEmpty", {11})
              .attrs<SequenceEmptyAttrs>()
              .out_any("output")
              .flag(kHost)
              .infer(infer_empty)
              .reference(run_empty)
              .samples(empty_samples)
              .doc("A sequence without elements."),
          Op("SequenceAt", {11})
              .in_any("input_sequence")
              .in("position", kIndex, 'I')
              .out_any("tensor")
              .flag(kHost)
              .infer(infer_at)
              .reference(run_at)
              .samples(at_samples)
              .doc("One element of a sequence."),
          Op("SequenceLength", {11})
              .in_any("input_sequence")
              .out("length", types(ElementType::i64), 'I')
              .flag(kHost)
              .infer(infer_length)
              .reference(run_length)
              .samples(length_samples)
              .doc("The number of elements of a sequence."),
          Op("SequenceInsert", {11})
              .in_any("input_sequence")
              .in("tensor", kElementTypes)
              .opt("position", kIndex, 'I')
              .out_any("output_sequence")
              .flag(kHost)
              .infer(infer_insert)
              .reference(run_insert)
              .samples(insert_samples)
              .doc("A sequence with one more tensor."),
          Op("SequenceErase", {11})
              .in_any("input_sequence")
              .opt("position", kIndex, 'I')
              .out_any("output_sequence")
              .flag(kHost)
              .infer(infer_erase)
              .reference(run_erase)
              .samples(erase_samples)
              .doc("A sequence without one of its elements."),
          Op("ConcatFromSequence", {11})
              .attrs<ConcatFromSequenceAttrs>()
              .in_any("input_sequence")
              .out("concat_result", kElementTypes)
              .flag(kHost)
              .infer(infer_concat_from_sequence)
              .reference(run_concat_from_sequence)
              .samples(concat_from_sequence_samples)
              .doc("The tensors of a sequence joined along an axis, or stacked along a new one."),
          Op("SplitToSequence", {11, 24})
              .attrs<SplitToSequenceAttrs>()
              .in("input", kElementTypes)
              .opt("split", kIndex, 'I')
              .out_any("output_sequence")
              .flag(kHost)
              .infer(infer_split_to_sequence)
              .reference(run_split_to_sequence)
              .samples(split_to_sequence_samples)
              .doc("A tensor cut along an axis into a sequence."),
          Op("SequenceMap", {17})
              .attrs<SequenceMapAttrs>()
              .in_any("input_sequence")
              .in_any_list("additional_inputs", 0)
              .out_any_list("out_sequence")
              .flag(kHost | ir::OpInfo::kHasSubgraph)
              .infer(infer_map)
              .reference(run_map)
              .samples(map_samples)
              .doc("A graph applied to each element of sequences.")};
}

}  // namespace slipway::ops
