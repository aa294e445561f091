// Arithmetic beyond the samples: faults that data can cause, wrap-around, the corners of rounding, and what inference says of
// symbols.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ops/activation.hpp"
#include "ops/binary.hpp"
#include "ops/evaluate.hpp"
#include "ops/onnx_node.hpp"
#include "ops/quantize.hpp"
#include "ops/reduce.hpp"
#include "ops/registry.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

using sample::floats;
using sample::ints;
using sample::numbers;

const double kInf = std::numeric_limits<double>::infinity(), kNan = std::nan("");

Result<Tensor> run(std::string_view op, Attrs attrs, std::vector<Tensor> inputs) {
  ir::Node node;
  node.op = get(op);
  node.attrs = std::move(attrs);
  node.inputs.assign(inputs.size(), 0);
  node.outputs = {0};
  std::vector<Value> values;
  for (const Tensor& t : inputs) values.push_back(t ? Value(t) : Value());
  std::vector<const Value*> list;
  for (const Value& v : values) list.push_back(v.has_value() ? &v : nullptr);
  const std::vector<Value> out = TRY(evaluate_node({}, node, list, reference_runner()));
  return *out[0].tensor();
}
Result<Tensor> run(std::string_view op, std::vector<Tensor> inputs) {
  return run(op, Attrs(get(op)->OpInfo::attrs), std::move(inputs));
}

std::vector<int64_t> whole(const Result<Tensor>& t) {
  return t ? to_int64s(*t) : std::vector<int64_t>{-999};
}
std::vector<double> real(const Result<Tensor>& t) {
  std::vector<double> out;
  for (int64_t i = 0; t && i < t->count(); ++i) out.push_back(load<double>(*t, i));
  return out;
}
Tensor i32(std::initializer_list<double> values) {
  return numbers(ElementType::i32, {static_cast<int64_t>(values.size())}, values);
}
Tensor f32(std::initializer_list<double> values) {
  return floats({static_cast<int64_t>(values.size())}, values);
}
using Ints = std::vector<int64_t>;
using Reals = std::vector<double>;

constexpr double kMin32 = -2147483648.0, kMax32 = 2147483647.0;

TEST(Integers, ArithmeticWraps) {
  EXPECT_EQ(whole(run("Add", {i32({kMax32}), i32({1})})), Ints{-2147483648});
  EXPECT_EQ(whole(run("Mul", {i32({kMin32}), i32({-1})})), Ints{-2147483648});
  EXPECT_EQ(whole(run("Abs", {i32({kMin32, -3})})), (Ints{-2147483648, 3}));
  EXPECT_EQ(whole(run("Neg", {ints({std::numeric_limits<int64_t>::min()})})), Ints{std::numeric_limits<int64_t>::min()});
  EXPECT_EQ(whole(run("Sub", {numbers(ElementType::u8, {1}, {3}), numbers(ElementType::u8, {1}, {5})})), Ints{254});
}

TEST(Integers, LargeUnsignedNumbersAreNotNegative) {
  Tensor top(ElementType::u64, {1});
  top.as<uint64_t>()[0] = ~uint64_t{0};
  const Tensor one = numbers(ElementType::u64, {1}, {1});
  EXPECT_TRUE(run("Abs", {top})->same_bytes(top));
  EXPECT_EQ(whole(run("Sign", {top})), Ints{1});
  EXPECT_TRUE(run("Max", {one, top})->same_bytes(top));
  EXPECT_TRUE(run("Div", {top, one})->same_bytes(top));
  EXPECT_EQ(whole(run("Less", {one, top})), Ints{1});
  EXPECT_TRUE(run("Clip", {top, one, Tensor()})->same_bytes(top));
  EXPECT_TRUE(run("ReduceMax", ReduceAttrs{}, {top})->same_bytes(top));
}

TEST(Integers, FaultsOfTheDataAreErrors) {
  for (const char* op : {"Div", "Mod"}) {
    const Result<Tensor> by_zero = run(op, {i32({1, 2}), i32({1, 0})});
    ASSERT_FALSE(by_zero) << op;
    EXPECT_EQ(by_zero.error().code, ErrorCode::data_fault);
  }
  EXPECT_EQ(run("Div", {i32({kMin32}), i32({-1})}).error().code, ErrorCode::data_fault);
  EXPECT_EQ(run("Pow", {i32({0}), i32({-1})}).error().code, ErrorCode::data_fault);
  EXPECT_EQ(whole(run("Mod", {ints({std::numeric_limits<int64_t>::min()}), ints({-1})})), Ints{0});
  EXPECT_EQ(whole(run("Pow", {i32({2, -1, 3, -1}), i32({-1, -3, 2, -2})})), (Ints{0, -1, 9, 1}));
}

TEST(Integers, QuotientsTruncateAndRemaindersFollowTheDivisor) {
  EXPECT_EQ(whole(run("Div", {i32({-7, 7, -7, 7}), i32({2, -2, -2, 2})})), (Ints{-3, -3, 3, 3}));
  EXPECT_EQ(whole(run("Mod", {i32({-7, 7, -7, 7}), i32({3, -3, -3, 3})})), (Ints{2, -2, -1, 1}));
  EXPECT_EQ(whole(run("Mod", ModAttrs{.fmod = true}, {i32({-7, 7, -7, 7}), i32({3, -3, -3, 3})})), (Ints{-1, 1, -1, 1}));
  EXPECT_EQ(real(run("Mod", {f32({-7.5, 7.5, 5, -5}), f32({3, -3, kInf, kInf})})), (Reals{1.5, -1.5, 5, kInf}));
}

TEST(BitShift, BeyondTheWidthOnlyTheSignIsLeft) {
  const Tensor x = numbers(ElementType::i8, {4}, {-5, 5, -128, 127}), by = numbers(ElementType::i8, {4}, {9, 8, 1, -1});
  EXPECT_EQ(whole(run("BitShift", BitShiftAttrs{"RIGHT"}, {x, by})), (Ints{-1, 0, -64, 0}));
  EXPECT_EQ(whole(run("BitShift", BitShiftAttrs{"LEFT"}, {x, by})), (Ints{0, 0, 0, 0}));
}

TEST(Floats, NanGoesThroughSelections) {
  for (const char* op : {"Relu", "LeakyRelu", "Sign", "HardSigmoid", "Celu"}) {
    EXPECT_TRUE(std::isnan(real(run(op, {f32({kNan})}))[0])) << op;
  }
  EXPECT_TRUE(std::isnan(real(run("Clip", {f32({kNan}), floats({}, {0}), floats({}, {1})}))[0]));
  for (const char* op : {"Max", "Min"}) {
    EXPECT_TRUE(std::isnan(real(run(op, {f32({kNan}), f32({1})}))[0])) << op;
    EXPECT_TRUE(std::isnan(real(run(op, {f32({1}), f32({kNan})}))[0])) << op;
  }
  EXPECT_EQ(whole(run("ArgMax", ArgReduceAttrs{}, {f32({1, kNan, 3})})), Ints{1});
}

TEST(Floats, SaturatedActivationsStayFinite) {
  EXPECT_EQ(real(run("Sigmoid", {f32({-1000, 1000})})), (Reals{0, 1}));
  EXPECT_EQ(real(run("Softplus", {f32({-1000, 1000})})), (Reals{0, 1000}));
  EXPECT_EQ(real(run("Round", {f32({0.5, 1.5, 2.5, -0.5})})), (Reals{0, 2, 2, -0.0}));
}

TEST(Clip, WhenMinIsAboveMaxAllIsMax) {
  EXPECT_EQ(real(run("Clip", {f32({-9, 0, 9}), floats({}, {3}), floats({}, {-3})})), (Reals{-3, -3, -3}));
  EXPECT_FALSE(run("Clip", {f32({1}), f32({0, 1}), Tensor()}));
}

TEST(Reduce, OverNothing) {
  const Tensor none(ElementType::f32, {2, 0});
  const auto of = [&](const char* op) { return real(run(op, ReduceAttrs{.keepdims = false}, {none, ints({1})})); };
  EXPECT_EQ(of("ReduceSum"), (Reals{0, 0}));
  EXPECT_EQ(of("ReduceProd"), (Reals{1, 1}));
  EXPECT_EQ(of("ReduceMax"), (Reals{-kInf, -kInf}));
  EXPECT_EQ(of("ReduceMin"), (Reals{kInf, kInf}));
  EXPECT_EQ(of("ReduceLogSum"), (Reals{-kInf, -kInf}));
  EXPECT_EQ(of("ReduceLogSumExp"), (Reals{-kInf, -kInf}));
  EXPECT_TRUE(std::isnan(of("ReduceMean")[0]));
  EXPECT_EQ(run("ArgMax", ArgReduceAttrs{.axis = 1}, {none}).error().code, ErrorCode::data_fault);
  const Tensor no_bytes(ElementType::u8, {0});
  EXPECT_EQ(whole(run("ReduceMax", ReduceAttrs{}, {no_bytes})), Ints{0});
  EXPECT_EQ(whole(run("ReduceMin", ReduceAttrs{}, {no_bytes})), Ints{255});
}

TEST(Reduce, WithoutAxesAllOrNone) {
  const Tensor x = floats({2, 2}, {1, 2, 3, 4});
  EXPECT_EQ(real(run("ReduceSumSquare", ReduceAttrs{}, {x})), Reals{30});
  EXPECT_EQ(real(run("ReduceSumSquare", ReduceAttrs{.noop_with_empty_axes = true}, {x})), (Reals{1, 4, 9, 16}));
  EXPECT_FALSE(run("ReduceSum", ReduceAttrs{}, {x, ints({2})}));
}

TEST(Reduce, LogSumExpDoesNotOverflow) {
  const Tensor x = floats({2, 2}, {1000, 1000, -kInf, -kInf});
  const Reals y = real(run("ReduceLogSumExp", ReduceAttrs{.keepdims = false}, {x, ints({1})}));
  EXPECT_NEAR(y[0], 1000 + std::log(2.0), 1e-3);
  EXPECT_EQ(y[1], -kInf);
}

TEST(Quantize, RoundsHalvesToEvenAndSaturates) {
  const Tensor zero = numbers(ElementType::i8, {}, {1});
  EXPECT_EQ(whole(run("QuantizeLinear", {f32({0.5, 1.5, -0.5, 1e30, -kInf, kNan}), floats({}, {1}), zero})),
            (Ints{1, 3, 1, 127, -128, 0}));
  const Tensor huge = f32({1e6});
  const auto to_float8 = [&](bool saturate) {
    return real(run("QuantizeLinear", QuantizeAttrs{.output_dtype = ElementType::f8e4m3fn, .saturate = saturate},
                    {huge, floats({}, {1})}))[0];
  };
  EXPECT_EQ(to_float8(true), 448);
  EXPECT_TRUE(std::isnan(to_float8(false)));
}

TEST(Quantize, TheScaleMustFit) {
  const Tensor x = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_FALSE(run("QuantizeLinear", {x, f32({1, 2})}));
  EXPECT_TRUE(run("QuantizeLinear", QuantizeAttrs{.axis = 0}, {x, f32({1, 2})}));
  EXPECT_FALSE(run("QuantizeLinear", QuantizeAttrs{.axis = 5}, {x, f32({1, 2})}));
  EXPECT_FALSE(run("QuantizeLinear", {x, floats({2, 3}, {1, 1, 1, 1, 1, 1})}));
  EXPECT_TRUE(run("QuantizeLinear", QuantizeAttrs{.block_size = 2}, {x, floats({2, 2}, {1, 1, 1, 1})}));
  EXPECT_FALSE(run("QuantizeLinear", QuantizeAttrs{.block_size = -2}, {x, floats({2, 2}, {1, 1, 1, 1})}));
}

// ---- inference

std::string inferred(std::string_view op, Attrs attrs, std::vector<Fact> inputs, Tensor last = {}) {
  ir::Graph graph;
  std::vector<ir::ValueId> ids;
  for (Fact& f : inputs) ids.push_back(graph.add_input(graph.unique_name("x"), f));
  if (last) ids.push_back(graph.add_constant("c", last));
  const ir::NodeId id = graph.add_node(get(op), "n", std::move(attrs), std::move(ids), 1);
  const Result<std::vector<Fact>> facts = ir::infer_node(graph, graph.node(id));
  return facts ? to_string((*facts)[0]) : "error: " + facts.error().message;
}
Fact fact(Shape shape) {
  return Fact::tensor(ElementType::f32, std::move(shape));
}
const Dim kN = Dim::symbol(0), kM = Dim::symbol(1);

TEST(Inference, BroadcastKeepsWhatIsSure) {
  EXPECT_EQ(inferred("Add", NoAttrs{}, {fact({kN, 3}), fact({1, 3})}), "f32[s0,3]");
  EXPECT_EQ(inferred("Add", NoAttrs{}, {fact({kN, 3}), fact({kN, 1})}), "f32[s0,3]");
  EXPECT_EQ(inferred("Add", NoAttrs{}, {fact({kN}), fact({kM})}), "f32[?]");
  EXPECT_EQ(inferred("Add", NoAttrs{}, {fact({kN}), fact({4})}), "f32[4]");
  EXPECT_EQ(inferred("Equal", NoAttrs{}, {fact({kN, 3}), fact({})}), "bool[s0,3]");
  EXPECT_EQ(inferred("Add", NoAttrs{}, {fact({2}), Fact::tensor(ElementType::f32)}), "f32[...]");
  EXPECT_EQ(inferred("Add", NoAttrs{}, {fact({2}), fact({3})}).substr(0, 6), "error:");
}

TEST(Inference, ReductionsKnowTheirRank) {
  EXPECT_EQ(inferred("ReduceMean", ReduceAttrs{}, {fact({kN, 3, 7})}, ints({-1})), "f32[s0,3,1]");
  EXPECT_EQ(inferred("ReduceMean", ReduceAttrs{.keepdims = false}, {fact({kN, 3, 7})}, ints({0})), "f32[3,7]");
  const Fact axes = Fact::tensor(ElementType::i64, Shape{2});
  EXPECT_EQ(inferred("ReduceMean", ReduceAttrs{}, {fact({2, 3, 7}), axes}), "f32[?,?,?]");
  EXPECT_EQ(inferred("ReduceMean", ReduceAttrs{.keepdims = false}, {fact({2, 3, 7}), axes}), "f32[?]");
  EXPECT_EQ(inferred("ReduceMean", ReduceAttrs{}, {Fact::tensor(ElementType::f32)}), "f32[...]");
  EXPECT_EQ(inferred("ArgMax", ArgReduceAttrs{.axis = -1, .keepdims = false}, {fact({kN, 7})}), "i64[s0]");
}

// ---- old versions

OnnxNode old_node(ir::Graph& graph, std::string op, int version, std::vector<Dims> shapes) {
  OnnxNode node;
  node.op_type = node.name = std::move(op);
  node.version = version;
  node.graph = &graph;
  for (const Dims& d : shapes) {
    node.inputs.push_back(graph.add_input(graph.unique_name("x"), Fact::tensor(ElementType::f32, d)));
  }
  return node;
}

TEST(Upgrade, BroadcastAlongAnAxis) {
  ir::Graph graph;
  OnnxNode node = old_node(graph, "Add", 6, {{2, 3, 4, 5}, {3, 4}});
  node.attrs = {{"broadcast", int64_t{1}}, {"axis", int64_t{1}}};
  ASSERT_TRUE(get("Add")->upgrade_function()(node));
  EXPECT_TRUE(node.attrs.empty());
  EXPECT_EQ(to_string(node.fact(1)), "f32[3,4,1]");
}

TEST(Upgrade, ReductionAxesAndClipLimitsBecomeInputs) {
  ir::Graph graph;
  OnnxNode reduce = old_node(graph, "ReduceMean", 13, {{2, 3}});
  reduce.attrs = {{"axes", std::vector<int64_t>{1}}};
  ASSERT_TRUE(get("ReduceMean")->upgrade_function()(reduce));
  ASSERT_EQ(reduce.inputs.size(), 2u);
  EXPECT_EQ(to_int64s(graph.value(reduce.inputs[1]).constant), Ints{1});

  OnnxNode clip = old_node(graph, "Clip", 6, {{2, 3}});
  clip.attrs = {{"max", 6.0f}};
  ASSERT_TRUE(get("Clip")->upgrade_function()(clip));
  ASSERT_EQ(clip.inputs.size(), 3u);
  EXPECT_EQ(clip.inputs[1], ir::kNone);
  EXPECT_EQ(real(graph.value(clip.inputs[2]).constant), Reals{6});
}

TEST(Upgrade, PReluSlopesBelongToChannels) {
  ir::Graph graph;
  OnnxNode node = old_node(graph, "PRelu", 6, {{2, 3, 4, 5}, {3}});
  ASSERT_TRUE(get("PRelu")->upgrade_function()(node));
  EXPECT_EQ(to_string(node.fact(1)), "f32[3,1,1]");
}

}  // namespace
}  // namespace slipway::ops
