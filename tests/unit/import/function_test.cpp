#include "unit/import/import_model.hpp"
#include "unit/import/proto_writer.hpp"

namespace slipway::test {
namespace {

constexpr std::string_view kDomain = "local";

std::string calling(const Message& call, std::vector<Message> functions) {
  return one_node_model(call, {2, 3}, {.functions = std::move(functions), .opsets = {opset(kDomain, 1)}});
}
std::vector<std::string> ops_of(const ir::Graph& g) {
  std::vector<std::string> out;
  for (ir::NodeId id = 0; id < g.node_slots(); ++id) out.emplace_back(g.node(id).op->name);
  return out;
}
FunctionParts softmax_function() {
  return {kDomain,        "Normal", {"in"},
          {"out"},        {"axis"}, {node({"Softmax", {"in"}, {"out"}}, {attr_reference("axis", "axis", 2)})},
          {opset("", 17)}};
}
int64_t attr_of(const ir::Graph& g, ir::NodeId id, std::string_view name) {
  for (const ir::AttrEntry& e : g.node(id).attrs.entries()) {
    if (e.name == name) return std::get<int64_t>(e.value);
  }
  return -99;
}

TEST(ImportFunction, IsInlinedUnderTheNameOfItsCall) {
  const ir::Graph g = import_good(calling(node({"Twice", {"x"}, {"y"}, "call", kDomain}),
                                          {function({kDomain,
                                                     "Twice",
                                                     {"a"},
                                                     {"c"},
                                                     {},
                                                     {node({"Relu", {"a"}, {"b"}, "one"}), node({"Exp", {"b"}, {"c"}, "two"})},
                                                     {opset("", 17)}})}));
  EXPECT_EQ(ops_of(g), (std::vector<std::string>{"Relu", "Exp"}));
  EXPECT_EQ(g.node(0).name, "call/one");
  EXPECT_EQ(g.value(g.node(0).outputs[0]).name, "call/b");
  EXPECT_EQ(g.value(g.outputs()[0]).name, "y");
}

TEST(ImportFunction, AttributeReferencesTakeTheCallsValueElseTheDefault) {
  FunctionParts with_default = softmax_function();
  with_default.attributes = {};
  with_default.defaults = {attr_int("axis", 0)};
  const Message given = node({"Normal", {"x"}, {"y"}, "call", kDomain}, {attr_int("axis", 1)});
  const Message bare = node({"Normal", {"x"}, {"y"}, "call", kDomain});
  EXPECT_EQ(attr_of(import_good(calling(given, {function(softmax_function())})), 0, "axis"), 1);
  EXPECT_EQ(attr_of(import_good(calling(given, {function(with_default)})), 0, "axis"), 1);
  EXPECT_EQ(attr_of(import_good(calling(bare, {function(with_default)})), 0, "axis"), 0);
  EXPECT_EQ(attr_of(import_good(calling(bare, {function(softmax_function())})), 0, "axis"), -1);  // Softmax's own default
  const Message wrong = node({"Normal", {"x"}, {"y"}, "call", kDomain}, {attr_int("axes", 1)});
  EXPECT_HAS(refusal(calling(wrong, {function(softmax_function())})), "has no attribute 'axes'");
}

TEST(ImportFunction, FunctionsCallFunctions) {
  const Message outer = function(
      {kDomain,
       "Outer",
       {"a"},
       {"b"},
       {"k"},
       {node({"Normal", {"a"}, {"m"}, "inner", kDomain}, {attr_reference("axis", "k", 2)}), node({"Relu", {"m"}, {"b"}})},
       {opset("", 17), opset(kDomain, 1)}});
  const ir::Graph g = import_good(
      calling(node({"Outer", {"x"}, {"y"}, "call", kDomain}, {attr_int("k", 0)}), {outer, function(softmax_function())}));
  EXPECT_EQ(ops_of(g), (std::vector<std::string>{"Softmax", "Relu"}));
  EXPECT_EQ(attr_of(g, 0, "axis"), 0);
  EXPECT_HAS(g.node(0).name, "call/inner/");
}

TEST(ImportFunction, OverloadsAreTold) {
  FunctionParts relu{kDomain, "F", {"a"}, {"b"}, {}, {node({"Relu", {"a"}, {"b"}})}, {opset("", 17)}, {}, "r"};
  FunctionParts exp{kDomain, "F", {"a"}, {"b"}, {}, {node({"Exp", {"a"}, {"b"}})}, {opset("", 17)}, {}, "e"};
  const auto call = [](std::string_view overload) { return node({"F", {"x"}, {"y"}, "call", kDomain, overload}); };
  EXPECT_EQ(ops_of(import_good(calling(call("e"), {function(relu), function(exp)})))[0], "Exp");
  EXPECT_EQ(ops_of(import_good(calling(call("r"), {function(relu), function(exp)})))[0], "Relu");
  EXPECT_HAS(refusal(calling(call("r"), {function(relu), function(relu)})), "two functions");
  EXPECT_HAS(refusal(calling(call("q"), {function(relu)}), ErrorCode::unsupported), "F of domain 'local'");
}

TEST(ImportFunction, TheBodyHasItsOwnOpset) {
  const Message old =
      function({kDomain, "F", {"a"}, {"b"}, {}, {node({"Clip", {"a"}, {"b"}}, {attr_float("max", 1)})}, {opset("", 10)}});
  const ir::Graph g = import_good(calling(node({"F", {"x"}, {"y"}, "call", kDomain}), {old}));
  EXPECT_EQ(g.node(0).inputs.size(), 3u);
}

TEST(ImportFunction, AbsentInputsStayAbsent) {
  const Message clip =
      function({kDomain, "F", {"a", "low", "high"}, {"b"}, {}, {node({"Clip", {"a", "low", "high"}, {"b"}})}, {opset("", 17)}});
  const ir::Graph g = import_good(calling(node({"F", {"x"}, {"y"}, "call", kDomain}), {clip}));
  EXPECT_EQ(g.node(0).inputs.size(), 1u);
}

TEST(ImportFunction, RecursionIsRefused) {
  const auto calls = [](std::string_view name, std::string_view other) {
    return function({kDomain, name, {"a"}, {"b"}, {}, {node({other, {"a"}, {"b"}, "n", kDomain})}, {opset(kDomain, 1)}});
  };
  const Message call = node({"F", {"x"}, {"y"}, "call", kDomain});
  EXPECT_HAS(refusal(calling(call, {calls("F", "F")})), "the function 'F' calls itself");
  EXPECT_HAS(refusal(calling(call, {calls("F", "G"), calls("G", "F")})), "the function 'F' calls itself");
}

TEST(ImportFunction, ExponentialExpansionMeetsALimit) {
  std::vector<Message> functions;
  std::vector<std::string> names(30);
  for (size_t i = 0; i < names.size(); ++i) {
    names[i] = "F" + std::to_string(i);
    std::vector<Message> nodes;
    if (i == 0) {
      nodes.push_back(node({"Relu", {"a"}, {"b"}}));
    } else {
      nodes.push_back(node({names[i - 1], {"a"}, {"m"}, "n", kDomain}));
      nodes.push_back(node({names[i - 1], {"m"}, {"b"}, "n", kDomain}));
    }
    functions.push_back(function({kDomain, names[i], {"a"}, {"b"}, {}, nodes, {opset("", 17), opset(kDomain, 1)}}));
  }
  EXPECT_HAS(refusal(calling(node({names.back(), {"x"}, {"y"}, "call", kDomain}), functions), ErrorCode::limit),
             "the calls of functions make more than");
}

TEST(ImportFunction, ProblemsInsideNameTheCall) {
  const Message bad = function({kDomain, "F", {"a"}, {"b"}, {}, {node({"Nope", {"a"}, {"b"}, "inner"})}, {opset("", 17)}});
  EXPECT_HAS(refusal(calling(node({"F", {"x"}, {"y"}, "call", kDomain}), {bad}), ErrorCode::unsupported), "Nope in 'call/inner'");
  const Message none = function({kDomain, "F", {"a"}, {"b"}, {}, {}, {opset("", 17)}});
  EXPECT_HAS(refusal(calling(node({"F", {"x"}, {"y"}, "call", kDomain}), {none})), "makes no 'b'");
  EXPECT_HAS(refusal(calling(node({"F", {"x", "x"}, {"y"}, "call", kDomain}), {bad})), "takes 1 inputs");
}

}  // namespace
}  // namespace slipway::test
