#include "ir/patch.hpp"

#include <gtest/gtest.h>

#include "ir/text.hpp"
#include "small_ops.hpp"

namespace slipway::ir {
namespace {

const OpInfo* const kRelu = small_op("", "Relu");
const OpInfo* const kAdd = small_op("", "Add");

Graph chain() {
  Result<Graph> graph = parse(R"(
    input %x: f32[2]
    %a = Relu(%x)
    %b = Relu(%a)
    %c = Add(%b, %x)
    output %c as "y")",
                              small_op);
  EXPECT_TRUE(graph);
  return std::move(graph).value();
}

TEST(Patch, ReplacesAndSweeps) {
  Graph graph = chain();
  Patch patch(graph);
  const auto sum = patch.add(kAdd, {}, {graph.find_value("a"), graph.find_value("x")});
  ASSERT_TRUE(sum);
  EXPECT_EQ(to_string(graph.value(sum.value()).fact), "f32[2]");
  patch.replace(graph.find_value("c"), sum.value());
  ASSERT_TRUE(std::move(patch).apply());
  EXPECT_TRUE(verify(graph));
  EXPECT_EQ(print(graph, {.facts = false}), R"(graph {
  input %x: f32[2]
  %a = Relu(%x)
  %c = Add(%a, %x)
  output %c as "y"
}
)");
}

TEST(Patch, PutsAConstantInPlace) {
  Graph graph = chain();
  Patch patch(graph);
  patch.replace(graph.find_value("b"), patch.constant(Tensor(ElementType::f32, {2})));
  ASSERT_TRUE(std::move(patch).apply());
  EXPECT_TRUE(verify(graph));
  EXPECT_EQ(graph.live_nodes(), 1u);
}

TEST(Patch, RefusesAnIncompatibleReplacement) {
  Graph graph = chain();
  const std::string before = print(graph);
  Patch patch(graph);
  patch.replace(graph.find_value("b"), patch.constant(Tensor(ElementType::f32, {3})));
  const Status refused = std::move(patch).apply();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("'b' is f32[2] and its replacement f32[3]"), std::string::npos)
      << refused.error().text();
  EXPECT_EQ(print(graph), before);
  EXPECT_TRUE(verify(graph));

  Patch other(graph);
  other.replace(graph.find_value("b"), other.constant(Tensor(ElementType::i32, {2})));
  EXPECT_FALSE(std::move(other).apply());
  EXPECT_EQ(print(graph), before);
}

TEST(Patch, RefusesANodeThatDoesNotInfer) {
  Graph graph = chain();
  const std::string before = print(graph);
  {
    Patch patch(graph);
    const ValueId wrong = patch.constant(Tensor(ElementType::f32, {3}));
    EXPECT_FALSE(patch.add(kAdd, {}, {graph.find_value("a"), wrong}));
    EXPECT_FALSE(patch.add(kRelu, {}, {}));
  }
  EXPECT_EQ(print(graph), before);
  EXPECT_TRUE(verify(graph));
}

TEST(Patch, DroppedLeavesNothing) {
  Graph graph = chain();
  const std::string before = print(graph);
  {
    Patch patch(graph);
    ASSERT_TRUE(patch.add(kRelu, {}, {graph.find_value("c")}));
  }
  EXPECT_EQ(print(graph), before);
}

TEST(Patch, DeadNodesGoTogether) {
  Graph graph = chain();
  graph.set_outputs({graph.find_value("a")});
  EXPECT_EQ(remove_dead_nodes(graph), 2u);
  EXPECT_EQ(graph.live_nodes(), 1u);
  EXPECT_EQ(remove_dead_nodes(graph), 0u);
}

}  // namespace
}  // namespace slipway::ir
