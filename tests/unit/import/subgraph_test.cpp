#include "ops/control.hpp"
#include "unit/import/import_model.hpp"
#include "unit/import/proto_writer.hpp"

namespace slipway::test {
namespace {

Message branch(std::vector<Message> nodes, std::string_view output, std::vector<Message> initializers = {}) {
  return graph({std::move(nodes), {}, {Message().bytes(1, output)}, std::move(initializers)});
}
Message if_node(const Message& then_branch, const Message& else_branch, std::string_view output = "y") {
  return node({"If", {"p"}, {output}, "if"}, {attr_graph("then_branch", then_branch), attr_graph("else_branch", else_branch)});
}
std::string choosing(std::vector<Message> nodes, std::vector<Message> initializers = {}) {
  return model(graph({std::move(nodes),
                      {value("x", kF32, {"n", 2}), value("p", kBool, {})},
                      {Message().bytes(1, "y")},
                      std::move(initializers)}));
}
const ir::Node& last_node(const ir::Graph& g) {
  static const ir::Node kNoNode;
  return g.node_slots() == 0 ? kNoNode : g.node(static_cast<ir::NodeId>(g.node_slots() - 1));
}

TEST(ImportSubgraph, CapturedValuesAreTrailingInputsOfEveryBranch) {
  const ir::Graph g = import_good(
      choosing({node({"Relu", {"x"}, {"a"}}), node({"Exp", {"x"}, {"b"}}),
                if_node(branch({node({"Add", {"a", "x"}, {"t"}})}, "t"), branch({node({"Relu", {"b"}, {"e"}})}, "e"))}));
  const ir::Node& n = last_node(g);
  ASSERT_TRUE(n.is("If"));
  ASSERT_EQ(n.captures_at, 1u);
  ASSERT_EQ(n.inputs.size(), 4u);
  const auto& attrs = n.attrs.as<ops::IfAttrs>();
  for (const ir::GraphRef& body : {attrs.then_branch, attrs.else_branch}) {
    ASSERT_EQ(body->inputs().size(), 3u);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(body->value(body->inputs()[i]).name, g.value(n.inputs[1 + i]).name);
      EXPECT_EQ(fact_of(*body, body->inputs()[i]), "f32[n,2]");
    }
    EXPECT_TRUE(ir::verify(*body));
  }
  EXPECT_EQ(g.value(g.outputs()[0]).fact.type, ElementType::f32);
}

TEST(ImportSubgraph, OuterConstantsAreCopiedIn) {
  const ir::Graph g = import_good(
      choosing({if_node(branch({node({"Add", {"x", "w"}, {"t"}})}, "t"), branch({}, "w"))}, {floats("w", {2}, {1, 2})}));
  const ir::Node& n = last_node(g);
  ASSERT_TRUE(n.is("If"));
  EXPECT_EQ(n.inputs.size(), 2u);
  const auto& attrs = n.attrs.as<ops::IfAttrs>();
  EXPECT_EQ(attrs.then_branch->inputs().size(), 1u);
  EXPECT_TRUE(attrs.else_branch->value(attrs.else_branch->outputs()[0]).is_constant());
}

TEST(ImportSubgraph, NestedBranchesCaptureThroughTheOuterOnes) {
  const Message inner = if_node(branch({node({"Relu", {"x"}, {"t"}})}, "t"), branch({node({"Exp", {"x"}, {"e"}})}, "e"), "i");
  const ir::Graph g = import_good(choosing({if_node(branch({inner}, "i"), branch({node({"Relu", {"x"}, {"e"}})}, "e"))}));
  const ir::Node& n = last_node(g);
  ASSERT_TRUE(n.is("If"));
  ASSERT_EQ(n.inputs.size(), 3u);  // the condition; then p and x for the branches
  const ir::Graph& middle = *n.attrs.as<ops::IfAttrs>().then_branch;
  const ir::Node& m = last_node(middle);
  EXPECT_EQ(m.captures_at, 1u);
  EXPECT_EQ(m.inputs.size(), 2u);
  EXPECT_EQ(m.inputs[0], middle.inputs()[0]);
  EXPECT_EQ(m.inputs[1], middle.inputs()[1]);
}

TEST(ImportSubgraph, ABranchMayReturnAnOuterValue) {
  const ir::Graph g = import_good(choosing({if_node(branch({}, "x"), branch({node({"Relu", {"x"}, {"e"}})}, "e"))}));
  ASSERT_TRUE(last_node(g).is("If"));
  const ir::Graph& body = *last_node(g).attrs.as<ops::IfAttrs>().then_branch;
  EXPECT_EQ(body.outputs()[0], body.inputs()[0]);
}

TEST(ImportSubgraph, TheSameNameMayBeMadeInOneBranchAndTakenInTheOther) {
  const ir::Graph g = import_good(choosing({node({"Relu", {"x"}, {"a"}}), if_node(branch({node({"Exp", {"a"}, {"t"}})}, "t"),
                                                                                  branch({node({"Exp", {"x"}, {"a"}})}, "a"))}));
  EXPECT_EQ(last_node(g).inputs.size(), 3u);
}

TEST(ImportSubgraph, ABranchTakesNoInputs) {
  const Message body = graph({{node({"Relu", {"p"}, {"t"}})}, {value("p", kF32, {2})}, {Message().bytes(1, "t")}});
  EXPECT_HAS(refusal(choosing({if_node(body, branch({}, "x"))})), "a branch takes no inputs, 'p' is one");
}

TEST(ImportSubgraph, LoopBodiesTakeOpenTypesFromTheLoop) {
  const Message body = graph({{node({"Add", {"acc", "x"}, {"acc2"}}), node({"Identity", {"c"}, {"c2"}})},
                              {Message().bytes(1, "i"), Message().bytes(1, "c"), Message().bytes(1, "acc")},
                              {Message().bytes(1, "c2"), Message().bytes(1, "acc2")}});
  const ir::Graph g = import_good(model(graph({{node({"Loop", {"trips", "", "x"}, {"y"}, "loop"}, {attr_graph("body", body)})},
                                               {value("x", kF32, {2})},
                                               {value("y", kF32, {2})},
                                               {int64s("trips", {}, {3})}})));
  ASSERT_TRUE(last_node(g).is("Loop"));
  const ir::Graph& inside = *last_node(g).attrs.as<ops::LoopAttrs>().body;
  EXPECT_EQ(fact_of(inside, inside.inputs()[0]), "i64[]");
  EXPECT_EQ(fact_of(inside, inside.inputs()[1]), "bool[]");
  EXPECT_EQ(fact_of(inside, inside.inputs()[2]), "f32[...]");
  ASSERT_EQ(inside.inputs().size(), 4u);
  EXPECT_EQ(fact_of(inside, inside.inputs()[3]), "f32[2]");
}

TEST(ImportSubgraph, BranchesInFunctionsCaptureTheFunctionsValues) {
  const Message body = if_node(branch({node({"Softmax", {"a"}, {"t"}}, {attr_reference("axis", "axis", 2)})}, "t"),
                               branch({node({"Relu", {"b"}, {"e"}})}, "e"), "out");
  const Message f =
      function({"local", "F", {"a", "p"}, {"out"}, {"axis"}, {node({"Relu", {"a"}, {"b"}}), body}, {opset("", 17)}});
  const Message call = node({"F", {"x", "p"}, {"y"}, "call", "local"}, {attr_int("axis", 0)});
  const ir::Graph g =
      import_good(model(graph({{call}, {value("x", kF32, {2, 2}), value("p", kBool, {})}, {Message().bytes(1, "y")}}),
                        {.functions = {f}, .opsets = {opset("local", 1)}}));
  const ir::Node& n = last_node(g);
  ASSERT_TRUE(n.is("If"));
  EXPECT_EQ(n.inputs.size(), 3u);
  EXPECT_EQ(g.value(n.inputs[2]).name, "call/b");
  const ir::Graph& inside = *n.attrs.as<ops::IfAttrs>().then_branch;
  EXPECT_EQ(std::get<int64_t>(last_node(inside).attrs.entries()[0].value), 0);
}

TEST(ImportSubgraph, ProblemsInsideAreListedWithThoseOutside) {
  const std::string text = refusal(choosing({node({"Nope", {"x"}, {"a"}, "outer"}),
                                             if_node(branch({node({"Nope", {"x"}, {"t"}, "inner"})}, "t"), branch({}, "gone"))}));
  EXPECT_HAS(text, "Nope in 'outer', 'inner'");
  EXPECT_HAS(text, "it reads 'gone', which nothing makes; in a sub-graph in 'if (If)'");
}

}  // namespace
}  // namespace slipway::test
