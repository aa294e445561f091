#include "ir/graph.hpp"

#include <gtest/gtest.h>

#include "small_ops.hpp"

namespace slipway::ir {
namespace {

const OpInfo* const kRelu = small_op("", "Relu");
const OpInfo* const kAdd = small_op("", "Add");
const OpInfo* const kTap = small_op("", "Tap");

void expect_refused(const Graph& graph, std::string_view part) {
  const Status status = verify(graph);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().text().find(part), std::string::npos) << status.error().text();
}

/// x -> Relu "a" -> Relu "b" -> output.
struct Chain {
  Graph graph;
  ValueId x = graph.add_input("x", f32({2, 3}));
  NodeId a = graph.add_node(kRelu, "a", {}, {x}, 1);
  NodeId b = graph.add_node(kRelu, "b", {}, {graph.node(a).outputs[0]}, 1);

  Chain() {
    graph.add_output(out(b), "y");
    EXPECT_TRUE(infer_all(graph));
  }
  ValueId out(NodeId id) const { return graph.node(id).outputs[0]; }
};

TEST(Graph, TopologicalOrderIsStable) {
  Graph graph;
  const ValueId x = graph.add_input("x", f32({1})), late = graph.add_value("late");
  const NodeId first = graph.add_node(kRelu, "first", {}, {late}, 1);
  const NodeId second = graph.add_node(kRelu, "second", {}, {x}, 1);
  Node producer{kRelu, "producer", {}, {x}, {late}, kNone};
  const NodeId third = graph.add_node(std::move(producer));
  const auto order = graph.topological();
  ASSERT_TRUE(order);
  EXPECT_EQ(order.value(), (std::vector<NodeId>{second, third, first}));
}

TEST(Graph, ConsumersUsesAndNames) {
  Chain c;
  EXPECT_EQ(c.graph.consumers()[c.x], std::vector<NodeId>{c.a});
  EXPECT_EQ(c.graph.find_value("b"), c.out(c.b));
  EXPECT_EQ(c.graph.find_value("nothing"), kNone);
  EXPECT_EQ(c.graph.unique_name("a"), "a_1");
  EXPECT_TRUE(c.graph.is_output(c.out(c.b)));
  c.graph.replace_uses(c.out(c.b), c.out(c.a));
  EXPECT_TRUE(c.graph.is_output(c.out(c.a)));
  c.graph.remove_node(c.b);
  EXPECT_EQ(c.graph.live_nodes(), 1u);
  EXPECT_TRUE(verify(c.graph));
  EXPECT_EQ(c.graph.symbol("n"), c.graph.symbol("n"));
  EXPECT_NE(c.graph.symbol("n"), c.graph.symbol("m"));
}

TEST(Verify, AcceptsASoundGraph) {
  Chain c;
  const Status status = verify(c.graph);
  EXPECT_TRUE(status) << status.error().text();
}

TEST(Verify, CatchesACycle) {
  Chain c;
  c.graph.node(c.a).inputs[0] = c.out(c.b);
  expect_refused(c.graph, "cycle");
}

TEST(Verify, CatchesTwoProducers) {
  Chain c;
  c.graph.add_node(Node{kRelu, "twin", {}, {c.x}, {c.out(c.a)}, kNone});
  expect_refused(c.graph, "another producer");
}

TEST(Verify, CatchesAWrongFact) {
  Chain c;
  c.graph.value(c.out(c.a)).fact = f32({2, 4});
  expect_refused(c.graph, "recorded as f32[2,4] but inferred as f32[2,3]");
}

TEST(Verify, CatchesValuesFromNowhere) {
  Chain c;
  c.graph.node(c.b).inputs[0] = c.graph.add_value("nowhere", f32({2, 3}));
  expect_refused(c.graph, "'nowhere' is not produced");
  Chain d;
  d.graph.set_outputs({d.graph.add_value("nothing", f32({2, 3}))});
  expect_refused(d.graph, "'nothing' is not produced");
}

TEST(Verify, CatchesIdsOutOfRange) {
  Chain c;
  c.graph.node(c.b).inputs[0] = 1000;
  expect_refused(c.graph, "out of range");
  Chain d;
  d.graph.set_outputs({1000});
  expect_refused(d.graph, "out of range");
}

TEST(Verify, CatchesArityAttributesAndAbsentInputs) {
  Chain c;
  c.graph.node(c.a).inputs.push_back(c.x);
  expect_refused(c.graph, "takes 1 to 1 inputs");
  Chain d;
  d.graph.node(d.a).inputs[0] = kNone;
  expect_refused(d.graph, "required input 0 is missing");
  Chain e;
  e.graph.node(e.a).attrs = MixedAttrs{};
  expect_refused(e.graph, "another operator's type");
}

TEST(Infer, NamesTheNodeInErrors) {
  Graph graph;
  const ValueId a = graph.add_input("a", f32({2})), b = graph.add_input("b", f32({3}));
  graph.add_node(kAdd, "sum", {}, {a, b}, 1);
  const Status status = infer_all(graph);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().text(), "the sides differ; in node 'sum' (Add)");
}

TEST(Infer, MergesWithWhatIsDeclaredAndRefusesContradictions) {
  Graph graph;
  const ValueId x = graph.add_input("x", f32({Dim::symbol(0), 3}));
  graph.symbols = {"n"};
  const NodeId node = graph.add_node(kTap, "t", {}, {x}, 2);
  graph.value(graph.node(node).outputs[0]).fact = f32({4, Dim::unknown()});
  ASSERT_TRUE(infer_all(graph));
  EXPECT_EQ(to_string(graph.value(graph.node(node).outputs[0]).fact), "f32[4,3]");
  EXPECT_EQ(to_string(graph.value(graph.node(node).outputs[1]).fact, &graph.symbols), "f32[n,3]");
  graph.value(graph.node(node).outputs[1]).fact = f32({1, 2});
  EXPECT_FALSE(infer_all(graph));
}

TEST(Attrs, AreValues) {
  Attrs a = MixedAttrs{};
  Attrs b = a;
  EXPECT_TRUE(a == b);
  ASSERT_TRUE(b.set("count", int64_t{5}));
  EXPECT_EQ(a.as<MixedAttrs>().count, 1);
  EXPECT_EQ(b.as<MixedAttrs>().count, 5);
  EXPECT_FALSE(a == b);
  EXPECT_FALSE(a == Attrs());
  EXPECT_EQ(a.if_is<BranchAttrs>(), nullptr);
  EXPECT_FALSE(b.set("count", std::string("five")));
  EXPECT_FALSE(b.set("colour", int64_t{1}));
}

TEST(Attrs, CompareTensorsAndGraphsByContent) {
  const auto with_table = [](float value) {
    MixedAttrs m;
    m.table = Tensor::scalar(value);
    return Attrs(m);
  };
  EXPECT_TRUE(with_table(1) == with_table(1));
  EXPECT_FALSE(with_table(1) == with_table(2));
  const auto with_body = [](std::string_view input) {
    Graph g;
    g.add_output(g.add_input(std::string(input), f32({1})), "o");
    return Attrs(BranchAttrs{std::make_shared<const Graph>(std::move(g))});
  };
  EXPECT_TRUE(with_body("i") == with_body("i"));
  EXPECT_FALSE(with_body("i") == with_body("j"));
}

}  // namespace
}  // namespace slipway::ir
