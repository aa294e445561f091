// If, Loop, Scan.
#include "ops/control.hpp"

#include <algorithm>
#include <limits>

#include "ops/moves.hpp"
#include "ops/onnx_node.hpp"
#include "ops/sample.hpp"
#include "ops/sample_body.hpp"
#include "ops/subgraph.hpp"

namespace slipway::ops {
namespace {

Result<bool> truth(const Value& value, std::string_view what) {
  const Tensor* t = value.tensor();
  if (t == nullptr || t->type() != ElementType::boolean || t->count() != 1) {
    return fail(ErrorCode::data_fault, "the {} must be one boolean", what);
  }
  return t->as<uint8_t>()[0] != 0;
}

Tensor boolean(bool value) {
  Tensor t(ElementType::boolean, {});
  t.as<uint8_t>()[0] = value ? 1 : 0;
  return t;
}

Status expect_outputs(std::string_view what, size_t has, size_t needs) {
  if (has == needs) return {};
  return fail(ErrorCode::invalid_model, "the {} has {} outputs, the node needs {}", what, has, needs);
}

// ---- If

Status infer_if(InferContext& c) {
  const auto& attrs = c.attrs<IfAttrs>();
  if (!attrs.then_branch || !attrs.else_branch) return fail(ErrorCode::invalid_model, "both branches must be given");
  if (const Shape* condition = c.shape(0)) {
    for (const Dim d : *condition) {
      if (d.known() && d.value() != 1) return fail(ErrorCode::invalid_model, "the condition must be one boolean");
    }
  }
  TRY(expect_outputs("then_branch", attrs.then_branch->outputs().size(), c.output_count()));
  TRY(expect_outputs("else_branch", attrs.else_branch->outputs().size(), c.output_count()));
  for (size_t i = 0; i < c.output_count(); ++i) {
    const Fact then_fact = output_fact(*attrs.then_branch, i), else_fact = output_fact(*attrs.else_branch, i);
    c.set(i, TRY(either(then_fact, else_fact)));
  }
  return {};
}

Status run_if(RefContext& c) {
  const bool condition = TRY(truth(c.value(0), "condition"));
  const auto& attrs = c.attrs<IfAttrs>();
  std::vector<Value> results = TRY(c.call(condition ? *attrs.then_branch : *attrs.else_branch, {}));
  TRY(expect_outputs("branch", results.size(), c.output_count()));
  for (size_t i = 0; i < results.size(); ++i) c.set(i, std::move(results[i]));
  return {};
}

// ---- Loop

Status infer_loop(InferContext& c) {
  const auto& attrs = c.attrs<LoopAttrs>();
  if (!attrs.body) return fail(ErrorCode::invalid_model, "the body must be given");
  const size_t carried = c.input_count() < 2 ? 0 : std::min(c.input_count() - 2, c.output_count());
  TRY(expect_outputs("body", attrs.body->outputs().size(), c.output_count() + 1));
  for (size_t i = 0; i < c.output_count(); ++i) {
    Fact fact = output_fact(*attrs.body, i + 1);
    if (i < carried && c.has_input(i + 2)) {
      const bool optional = fact.optional;  // the body's word: without a trip even an optional start comes out
      fact = TRY(either(fact, c.input(i + 2)));
      fact.optional = optional;
    } else if (i >= carried) {
      if (fact.shape) fact.shape->insert(fact.shape->begin(), Dim::unknown());
      fact.kind = Fact::Kind::tensor;
    }
    c.set(i, std::move(fact));
  }
  return {};
}

Status run_loop(RefContext& c) {
  const ir::Graph& body = *c.attrs<LoopAttrs>().body;
  int64_t trips = std::numeric_limits<int64_t>::max();
  if (c.has(0)) {
    if (c.value(0).tensor() == nullptr || c.in(0).count() != 1)
      return fail(ErrorCode::data_fault, "the trip count must be one number");
    trips = c.ints(0)[0];
  }
  bool again = true;
  if (c.has(1)) again = TRY(truth(c.value(1), "condition"));
  std::vector<Value> carried;
  for (size_t i = 2; i < c.input_count(); ++i) carried.push_back(c.has(i) ? c.value(i) : Value());
  if (carried.size() > c.output_count())
    return fail(ErrorCode::invalid_model, "{} values are carried, the node has {} outputs", carried.size(), c.output_count());
  std::vector<std::vector<Tensor>> scanned(c.output_count() - carried.size());
  for (int64_t i = 0; i < trips && again; ++i) {
    std::vector<Value> arguments = {Tensor::scalar(i), boolean(again)};
    arguments.insert(arguments.end(), carried.begin(), carried.end());
    std::vector<Value> results = TRY(c.call(body, std::move(arguments)));
    TRY(expect_outputs("body", results.size(), c.output_count() + 1));
    again = TRY(truth(results[0], "condition that the body returns"));
    for (size_t k = 0; k < carried.size(); ++k) carried[k] = std::move(results[k + 1]);
    for (size_t k = 0; k < scanned.size(); ++k) {
      const Tensor* t = results[carried.size() + 1 + k].tensor();
      if (t == nullptr) return fail(ErrorCode::data_fault, "scan output {} of the body is not a tensor", k);
      scanned[k].push_back(*t);
    }
  }
  for (size_t k = 0; k < carried.size(); ++k) c.set(k, carried[k]);
  for (size_t k = 0; k < scanned.size(); ++k) {
    const Fact one = output_fact(body, carried.size() + 1 + k);
    c.set(carried.size() + k, TRY(stack(scanned[k], 0, false, one)));
  }
  return {};
}

// ---- Scan

int64_t at_or(const std::vector<int64_t>& list, size_t i, int64_t otherwise) {
  return i < list.size() ? list[i] : otherwise;
}

struct ScanCounts {
  size_t states, scan_inputs, scan_outputs;
};

Result<ScanCounts> scan_counts(const ScanAttrs& attrs, size_t inputs, size_t outputs) {
  if (!attrs.body) return fail(ErrorCode::invalid_model, "the body must be given");
  if (attrs.lengths && !attrs.batched) return Error(ErrorCode::invalid_model, "lengths go with a batch alone");
  inputs -= attrs.lengths && inputs > 0 ? 1 : 0;
  if (attrs.num_scan_inputs < 1 || static_cast<uint64_t>(attrs.num_scan_inputs) > inputs) {
    return fail(ErrorCode::invalid_model, "num_scan_inputs is {}, the node has {} inputs", attrs.num_scan_inputs, inputs);
  }
  const auto scans = static_cast<size_t>(attrs.num_scan_inputs);
  if (outputs < inputs - scans) {
    return fail(ErrorCode::invalid_model, "{} states are carried, the node has {} outputs", inputs - scans, outputs);
  }
  TRY(expect_outputs("body", attrs.body->outputs().size(), outputs));
  return ScanCounts{inputs - scans, scans, outputs - (inputs - scans)};
}

Status infer_scan(InferContext& c) {
  const auto& attrs = c.attrs<ScanAttrs>();
  const ScanCounts n = TRY(scan_counts(attrs, c.input_count(), c.output_count()));
  const size_t batch = attrs.batched ? 1 : 0, first = attrs.lengths ? 1 : 0;
  Dim length = Dim::unknown(), rows = Dim::unknown();
  if (attrs.lengths) {
    if (c.type(0) != ElementType::i64) return Error(ErrorCode::invalid_model, "the lengths of the rows must be of type i64");
    if (const Shape* lengths = c.shape(0); lengths != nullptr) {
      if (lengths->size() != 1) return Error(ErrorCode::invalid_model, "the lengths of the rows must be a vector");
      rows = lengths->front();
    }
  }
  for (size_t i = 0; i < n.scan_inputs; ++i) {
    const Shape* in = c.shape(first + n.states + i);
    if (in == nullptr) continue;
    const int rank = static_cast<int>(in->size()) - static_cast<int>(batch);
    const auto axis = static_cast<size_t>(TRY(normalize_axis(at_or(attrs.scan_input_axes, i, 0), rank)));
    length = TRY(same_extent(length, (*in)[axis + batch], axis));
    if (attrs.batched) rows = TRY(same_extent(rows, (*in)[0], 0));
  }
  for (size_t i = 0; i < c.output_count(); ++i) {
    Fact fact = output_fact(*attrs.body, i);
    fact.kind = Fact::Kind::tensor;
    if (i >= n.states && fact.shape) {
      const int rank = static_cast<int>(fact.shape->size()) + 1;
      const int axis = TRY(normalize_axis(at_or(attrs.scan_output_axes, i - n.states, 0), rank));
      fact.shape->insert(fact.shape->begin() + axis, length);
    }
    if (attrs.batched && fact.shape) fact.shape->insert(fact.shape->begin(), rows);
    if (i < n.states && c.has_input(first + i)) fact = TRY(either(fact, c.input(first + i)));
    c.set(i, std::move(fact));
  }
  return {};
}

/// What stands behind the last step of a short row: like the others, or as the body says.
Result<Tensor> blank(const std::vector<Tensor>& others, const Fact& fact) {
  if (!others.empty()) return Tensor(others[0].type(), others[0].dims());
  if (fact.is_static()) return Tensor(fact.type, fact.dims());
  return Error(ErrorCode::data_fault, "a row without a step gives outputs of unknown shape");
}

/// One scan: the states, then the scanned tensors, to the final states and the stacked outputs. `limit`: steps of this row, -1
/// all.
Result<std::vector<Tensor>> scan(const RefContext& c, const ScanAttrs& attrs, const ScanCounts& n, std::vector<Tensor> inputs,
                                 int64_t limit = -1) {
  int64_t length = -1;
  std::vector<int> axes;
  for (size_t i = 0; i < n.scan_inputs; ++i) {
    const Dims& dims = inputs[n.states + i].dims();
    axes.push_back(TRY(normalize_axis(at_or(attrs.scan_input_axes, i, 0), dims.rank())));
    if (length >= 0 && length != dims[axes[i]]) {
      return fail(ErrorCode::data_fault, "the scan inputs have {} and {} steps; all must be equal", length, dims[axes[i]]);
    }
    length = dims[axes[i]];
  }
  if (limit > length) return fail(ErrorCode::data_fault, "a row of {} steps is said to have {}", length, limit);
  const int64_t steps = limit < 0 ? length : limit;
  std::vector<std::vector<Tensor>> scanned(n.scan_outputs);
  for (int64_t step = 0; step < steps; ++step) {
    std::vector<Value> arguments(inputs.begin(), inputs.begin() + static_cast<ptrdiff_t>(n.states));
    for (size_t i = 0; i < n.scan_inputs; ++i) {
      const bool reversed = at_or(attrs.scan_input_directions, i, 0) != 0;
      arguments.push_back(slice_of(inputs[n.states + i], axes[i], reversed ? steps - 1 - step : step));
    }
    std::vector<Value> results = TRY(c.call(*attrs.body, std::move(arguments)));
    TRY(expect_outputs("body", results.size(), n.states + n.scan_outputs));
    for (size_t i = 0; i < results.size(); ++i) {
      const Tensor* t = results[i].tensor();
      if (t == nullptr) return fail(ErrorCode::data_fault, "output {} of the body is not a tensor", i);
      if (i < n.states) {
        inputs[i] = *t;
      } else {
        scanned[i - n.states].push_back(*t);
      }
    }
  }
  inputs.resize(n.states);
  for (size_t i = 0; i < n.scan_outputs; ++i) {
    const bool reversed = at_or(attrs.scan_output_directions, i, 0) != 0;
    const Fact one = output_fact(*attrs.body, n.states + i);
    for (int64_t step = steps; step < length; ++step) scanned[i].push_back(TRY(blank(scanned[i], one)));
    inputs.push_back(TRY(stack(scanned[i], at_or(attrs.scan_output_axes, i, 0), reversed, one)));
  }
  return inputs;
}

Status run_scan(RefContext& c) {
  const auto& attrs = c.attrs<ScanAttrs>();
  const ScanCounts n = TRY(scan_counts(attrs, c.input_count(), c.output_count()));
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < c.input_count(); ++i) {
    if (!c.has(i) || c.value(i).tensor() == nullptr) return fail(ErrorCode::data_fault, "input {} must be a tensor", i);
    inputs.push_back(c.in(i));
  }
  if (!attrs.batched) {
    std::vector<Tensor> results = TRY(scan(c, attrs, n, std::move(inputs)));
    for (size_t i = 0; i < results.size(); ++i) c.set(i, std::move(results[i]));
    return {};
  }
  std::vector<int64_t> lengths;
  if (attrs.lengths) {
    lengths = c.ints(0);
    inputs.erase(inputs.begin());
    for (const int64_t length : lengths) {
      if (length < 0) return fail(ErrorCode::data_fault, "a row is said to have {} steps", length);
    }
  }
  const int64_t rows = inputs[0].dims().rank() == 0 ? 0 : inputs[0].dims()[0];
  if (attrs.lengths && static_cast<int64_t>(lengths.size()) != rows)
    return fail(ErrorCode::data_fault, "there are {} lengths for {} rows", lengths.size(), rows);
  for (const Tensor& t : inputs) {
    if (t.dims().rank() == 0 || t.dims()[0] != rows) return fail(ErrorCode::data_fault, "the inputs differ in their batch axis");
  }
  std::vector<std::vector<Tensor>> per_row(c.output_count());
  for (int64_t row = 0; row < rows; ++row) {
    std::vector<Tensor> slices;
    for (const Tensor& t : inputs) slices.push_back(slice_of(t, 0, row));
    const int64_t limit = attrs.lengths ? lengths[static_cast<size_t>(row)] : -1;
    std::vector<Tensor> results = TRY(scan(c, attrs, n, std::move(slices), limit));
    for (size_t i = 0; i < results.size(); ++i) per_row[i].push_back(std::move(results[i]));
  }
  for (size_t i = 0; i < per_row.size(); ++i) c.set(i, TRY(stack(per_row[i], 0, false, output_fact(*attrs.body, i))));
  return {};
}

Status upgrade_scan(OnnxNode& n) {
  if (n.version != 8) return {};
  if (!n.inputs.empty()) {
    if (n.inputs[0] == ir::kNone) {
      n.inputs.erase(n.inputs.begin());
    } else {
      n.attrs["lengths"] = int64_t{1};
    }
  }
  if (n.has("directions")) n.attrs["scan_input_directions"] = n.take("directions");
  n.attrs["batched"] = int64_t{1};
  return {};
}

// ---- samples

using sample::counting;

std::vector<Sample> if_samples() {
  const auto branch = [](int64_t from) {
    ir::Graph body;
    body.add_output(body.add_constant("value", counting({2}, from)), "y");
    return std::make_shared<const ir::Graph>(std::move(body));
  };
  const IfAttrs attrs{branch(10), branch(20)};
  return {{"taken", attrs, {{boolean(true)}}}, {"not_taken", attrs, {sample::constant(boolean(false))}}};
}

/// Doubles the carried value, and collects what it was.
std::vector<ir::ValueId> doubling(ir::Graph& body) {
  const std::vector<ir::ValueId> in = body.inputs();
  return {in[1], sample::node(body, "Add", {in[2], in[2]}), sample::node(body, "Identity", {in[2]})};
}

std::vector<Sample> loop_samples() {
  const Fact number = Fact::tensor(ElementType::f32, Dims{2});
  const LoopAttrs attrs{
      sample::body({Fact::tensor(ElementType::i64, Dims{}), Fact::tensor(ElementType::boolean, Dims{}), number}, doubling)};
  const Value start = counting({2}, 1);
  return {{"three_trips", attrs, {{Tensor::scalar(int64_t{3})}, {boolean(true)}, {start}}, 2},
          {"no_trip", attrs, {{Tensor::scalar(int64_t{0})}, sample::absent(), {start}}, 2},
          {"condition_is_false", attrs, {sample::absent(), {boolean(false)}, {start}}, 2}};
}

/// Adds each slice to the state, and gives the state after each step.
std::vector<ir::ValueId> running_sum(ir::Graph& body) {
  const ir::ValueId sum = sample::node(body, "Add", {body.inputs()[0], body.inputs()[1]});
  return {sum, sample::node(body, "Identity", {sum})};
}

std::vector<Sample> scan_samples() {
  const Fact row = Fact::tensor(ElementType::f32, Dims{2});
  ScanAttrs sum{sample::body({row, row}, running_sum)}, backwards = sum, columns = sum, batched = sum;
  backwards.scan_input_directions = backwards.scan_output_directions = {1};
  columns.scan_input_axes = {1};
  columns.scan_output_axes = {-1};
  batched.batched = true;
  ScanAttrs uneven = batched;
  uneven.lengths = true;
  return {{"rows", sum, {{counting({2})}, {counting({3, 2})}}, 2},
          {"backwards", backwards, {{counting({2})}, {counting({3, 2})}}, 2},
          {"columns", columns, {{counting({2})}, {counting({2, 3})}}, 2},
          {"batched", batched, {{counting({2, 2})}, {counting({2, 3, 2})}}, 2},
          {"lengths", uneven, {{sample::ints({1, 3})}, {counting({2, 2})}, {counting({2, 3, 2})}}, 2},
          {"no_steps", sum, {{counting({2})}, {counting({0, 2})}}, 2}};
}

}  // namespace

OpFamily control() {
  using Info = ir::OpInfo;
  return {Op("If", {1, 11, 13, 16, 19, 21, 23, 24, 25})
              .attrs<IfAttrs>()
              .in("cond", kBool, 'B')
              .out_any_list("outputs")
              .flag(Info::kDataDependent | Info::kHasSubgraph)
              .infer(infer_if)
              .reference(run_if)
              .samples(if_samples)
              .doc("One of two graphs, by a condition."),
          Op("Loop", {1, 11, 13, 16, 19, 21, 23, 24, 25})
              .attrs<LoopAttrs>()
              .opt("M", types(ElementType::i64), 'I')
              .opt("cond", kBool, 'B')
              .in_any_list("v_initial", 0)
              .out_any_list("v_final_and_scan_outputs")
              .flag(Info::kDataDependent | Info::kHasSubgraph)
              .infer(infer_loop)
              .reference(run_loop)
              .samples(loop_samples)
              .doc("A graph run again and again, a number of times or while a condition holds."),
          Op("Scan", {8, 9, 11, 16, 19, 21, 23, 24, 25})
              .attrs<ScanAttrs>()
              .in_list("initial_state_and_scan_inputs", kAll, 0)
              .out_list("final_state_and_scan_outputs", kAll, 0)
              .flag(Info::kDataDependent | Info::kHasSubgraph)
              .infer(infer_scan)
              .reference(run_scan)
              .samples(scan_samples)
              .upgrade(upgrade_scan)
              .doc("A graph run over the slices of tensors, with states carried along.")};
}

}  // namespace slipway::ops
