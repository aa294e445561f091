// Data movement beyond the samples: symbolic extents, faults that data can cause, and the corners of casts and patterns.
#include <gtest/gtest.h>

#include <limits>

#include "ops/cast.hpp"
#include "ops/evaluate.hpp"
#include "ops/gather.hpp"
#include "ops/pad.hpp"
#include "ops/registry.hpp"
#include "ops/reshape.hpp"
#include "ops/sample.hpp"
#include "ops/slice.hpp"

namespace slipway::ops {
namespace {

using sample::counting;
using sample::floats;
using sample::ints;
using sample::numbers;
using sample::strings;

constexpr int64_t kMin = std::numeric_limits<int64_t>::min(), kMax = std::numeric_limits<int64_t>::max();

ir::Node node_of(std::string_view op, Attrs attrs, size_t inputs) {
  ir::Node node;
  node.op = get(op);
  node.name = "n";
  node.attrs = std::move(attrs);
  node.inputs.assign(inputs, 0);
  node.outputs = {0};
  return node;
}

Result<Value> run(std::string_view op, Attrs attrs, std::vector<Value> inputs) {
  std::vector<const Value*> list;
  for (const Value& v : inputs) list.push_back(v.has_value() ? &v : nullptr);
  return TRY(evaluate_node({}, node_of(op, std::move(attrs), inputs.size()), list, reference_runner()))[0];
}

/// The inferred fact as text; an input is a fact, or a constant tensor.
std::string inferred(std::string_view op, Attrs attrs, std::vector<std::pair<Fact, Tensor>> inputs) {
  ir::Graph graph;
  std::vector<ir::ValueId> ids;
  for (auto& [fact, constant] : inputs) {
    ids.push_back(constant ? graph.add_constant(graph.unique_name("c"), constant)
                           : graph.add_input(graph.unique_name("x"), fact));
  }
  const ir::NodeId id = graph.add_node(get(op), "n", std::move(attrs), std::move(ids), 1);
  const Result<std::vector<Fact>> facts = ir::infer_node(graph, graph.node(id));
  return facts ? to_string((*facts)[0]) : "error: " + facts.error().message;
}

Fact fact(Shape shape) {
  return Fact::tensor(ElementType::f32, std::move(shape));
}
const Dim kN = Dim::symbol(0);

TEST(Reshape, KeepsSymbolsAndCancelsThem) {
  const ReshapeAttrs plain;
  EXPECT_EQ(inferred("Reshape", plain, {{fact({kN, 3, 4}), {}}, {{}, ints({0, -1})}}), "f32[s0,12]");
  EXPECT_EQ(inferred("Reshape", plain, {{fact({kN, 3, 4}), {}}, {{}, ints({-1, 12})}}), "f32[?,12]");
  EXPECT_EQ(inferred("Reshape", plain, {{fact({kN, 3, 4}), {}}, {Fact::tensor(ElementType::i64, Shape{2}), {}}}), "f32[?,?]");
  EXPECT_EQ(inferred("Reshape", plain, {{Fact::tensor(ElementType::f32), {}}, {{}, ints({2, 0})}}), "f32[2,?]");
  EXPECT_NE(inferred("Reshape", plain, {{fact({2, 3}), {}}, {{}, ints({4, -1})}}).find("error"), std::string::npos);
  EXPECT_NE(inferred("Reshape", plain, {{fact({2, 3}), {}}, {{}, ints({kMax, kMax})}}).find("error"), std::string::npos);
}

TEST(Slice, TreatsUnknownExtentsWithCare) {
  const auto slice = [](Fact data, int64_t start, int64_t end, int64_t step) {
    return inferred("Slice", NoAttrs{},
                    {{data, {}}, {{}, ints({start})}, {{}, ints({end})}, {{}, ints({0})}, {{}, ints({step})}});
  };
  EXPECT_EQ(slice(fact({kN, 4}), 0, kMax, 1), "f32[s0,4]");
  EXPECT_EQ(slice(fact({kN, 4}), -1, kMin, -1), "f32[s0,4]");
  EXPECT_EQ(slice(fact({kN, 4}), 1, kMax, 1), "f32[?,4]");
  EXPECT_EQ(slice(fact({9, 4}), -3, kMax, 2), "f32[2,4]");
  EXPECT_EQ(slice(fact({9, 4}), kMax, kMin, kMin), "f32[1,4]");
  EXPECT_EQ(slice(fact({0, 4}), 0, 5, 1), "f32[0,4]");
}

TEST(Concat, AddsKnownExtentsAndMergesTheRest) {
  EXPECT_EQ(inferred("Expand", NoAttrs{}, {{fact({kN, 1}), {}}, {{}, ints({1, 7})}}), "f32[s0,7]");
  EXPECT_EQ(inferred("Transpose", ir::Attrs(get("Transpose")->OpInfo::attrs), {{fact({kN, 2, 3}), {}}}), "f32[3,2,s0]");
  EXPECT_EQ(inferred("Pad", PadAttrs{}, {{fact({kN, 2}), {}}, {{}, ints({0, 1, 0, 1})}}), "f32[s0,4]");
  EXPECT_EQ(inferred("Tile", NoAttrs{}, {{fact({kN, 2}), {}}, {{}, ints({1, 3})}}), "f32[s0,6]");
}

TEST(Gather, NamesAnIndexThatIsOutOfRange) {
  for (const int64_t index : {int64_t{3}, int64_t{-4}, kMin, kMax}) {
    const auto got = run("Gather", GatherAttrs{}, {counting({3, 2}), ints({0, index})});
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, ErrorCode::data_fault);
    EXPECT_NE(got.error().message.find(std::to_string(index)), std::string::npos);
    EXPECT_FALSE(run("GatherElements", GatherAttrs{}, {counting({3}), ints({index})}));
    EXPECT_FALSE(
        run("GatherND", GatherNDAttrs{}, {counting({3}), numbers(ElementType::i64, {1, 1}, {static_cast<double>(index)})}));
  }
}

TEST(References, RefuseValuesOfTheWrongKindOrType) {
  EXPECT_FALSE(run("SequenceAt", NoAttrs{}, {counting({2}), Tensor::scalar(int64_t{0})}));
  EXPECT_FALSE(run("Gather", GatherAttrs{}, {counting({2}), counting({1})}));  // f32 as indices
  const Value sequence = ir::Sequence(std::make_shared<const std::vector<Value>>());
  EXPECT_FALSE(run("Identity", NoAttrs{}, {sequence}).value().tensor());
  EXPECT_FALSE(run("Shape", ir::Attrs(get("Shape")->OpInfo::attrs), {sequence}));
}

TEST(References, RefuseHugeResultsBeforeAllocating) {
  EXPECT_FALSE(run("Expand", NoAttrs{}, {counting({1}), ints({kMax / 2})}));
  EXPECT_FALSE(run("Tile", NoAttrs{}, {counting({2}), ints({kMax})}));
  EXPECT_FALSE(run("ConstantOfShape", ir::Attrs(get("ConstantOfShape")->OpInfo::attrs), {ints({int64_t{1} << 40})}));
  EXPECT_FALSE(run("Pad", PadAttrs{}, {counting({2}), ints({kMax, kMax})}));
  const auto far = run("Range", ir::Attrs(get("Range")->OpInfo::attrs),
                       {Tensor::scalar(kMin), Tensor::scalar(kMax), Tensor::scalar(int64_t{1})});
  EXPECT_FALSE(far);
}

TEST(Cast, RoundsAndSaturatesAsTheTypeSays) {
  const auto cast = [](Tensor x, CastAttrs attrs) { return to_int64s(*run("Cast", attrs, {std::move(x)}).value().tensor()); };
  using E = ElementType;
  EXPECT_EQ(cast(floats({4}, {-1.9, 2.9, 1e10, -1e10}), {E::i32}), (std::vector<int64_t>{-1, 2, INT32_MAX, INT32_MIN}));
  EXPECT_EQ(cast(numbers(E::i64, {2}, {300, -129}), {E::i8}), (std::vector<int64_t>{44, 127}));
  EXPECT_EQ(cast(strings({3}, {"12", " -7 ", "+3"}), {E::i64}), (std::vector<int64_t>{12, -7, 3}));
  EXPECT_FALSE(run("Cast", CastAttrs{E::f32}, {strings({1}, {"Hello"})}));
  EXPECT_FALSE(run("Cast", CastAttrs{E::i32}, {strings({1}, {""})}));
  const Value saturated = run("Cast", CastAttrs{E::f8e4m3fn}, {floats({2}, {1e6, -1e6})}).value();
  EXPECT_EQ(load<double>(*saturated.tensor(), 0), 448);
  const Value wide = run("Cast", CastAttrs{E::f32}, {counting(E::u64, {1}, -1)}).value();
  EXPECT_EQ(wide.tensor()->as<float>()[0], 0x1p64F);
}

TEST(RegexFullMatch, FollowsTheSyntaxOfRe2) {
  const auto matches = [](std::string_view pattern, std::string_view text) -> int {
    ir::Attrs attrs(get("RegexFullMatch")->OpInfo::attrs);
    if (!attrs.set("pattern", std::string(pattern))) return -2;
    const auto got = run("RegexFullMatch", attrs, {strings({1}, {text})});
    return got ? got->tensor()->as<uint8_t>()[0] : -1;
  };
  EXPECT_EQ(matches("a|bc", "bc"), 1);
  EXPECT_EQ(matches("a|bc", "abc"), 0);
  EXPECT_EQ(matches("(ab){2,3}", "ababab"), 1);
  EXPECT_EQ(matches("(ab){2,3}", "ab"), 0);
  EXPECT_EQ(matches("x{,2}", "x{,2}"), 1);
  EXPECT_EQ(matches("[^\\d\\s]+", "abc"), 1);
  EXPECT_EQ(matches("[^\\d\\s]+", "ab1"), 0);
  EXPECT_EQ(matches("[]a-c-]*", "]-b"), 1);
  EXPECT_EQ(matches("[[:alpha:]_]+", "aZ_"), 1);
  EXPECT_EQ(matches("\\Qa.b\\E", "a.b"), 1);
  EXPECT_EQ(matches("\\x41\\x{e9}", "A\xc3\xa9"), 1);
  EXPECT_EQ(matches("(?i)\xc3\x89", "\xc3\xa9"), 1);
  EXPECT_EQ(matches("(?:a(?i)b)c", "aBc"), 1);
  EXPECT_EQ(matches("(?:a(?i)b)c", "aBC"), 0);
  EXPECT_EQ(matches(".", "\n"), 0);
  EXPECT_EQ(matches("(?s).", "\n"), 1);
  EXPECT_EQ(matches("^a$", "a"), 1);
  EXPECT_EQ(matches("a\\b b", "a b"), 1);
  EXPECT_EQ(matches("(a+)+b", std::string(5000, 'a')), 0);
  for (const char* wrong :
       {"(", ")", "[a", "*a", "a{3,2}", "[z-a]", "\\", "(?=a)", "a{1001}", "((a{1000}){1000}){1000}", "\\1"}) {
    EXPECT_EQ(matches(wrong, "a"), -1) << wrong;
  }
  EXPECT_EQ(matches("(){1000}", ""), 1);
  EXPECT_EQ(matches("((((){1000}){1000}){1000}){1000}", ""), -1);
  EXPECT_EQ(matches(std::string(100000, '('), ""), -1);
}

}  // namespace
}  // namespace slipway::ops
