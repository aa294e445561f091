#include "ir/text.hpp"

#include <gtest/gtest.h>

#include "base/low_precision.hpp"
#include "small_ops.hpp"

namespace slipway::ir {
namespace {

constexpr PrintOptions kWhole{.facts = true, .constant_limit = -1, .digests = false};

/// The text of the graph that `text` stands for; a gtest failure and "" when it does not parse.
std::string reprint(std::string_view text, const PrintOptions& options = kWhole) {
  Result<Graph> graph = parse(text, small_op);
  if (!graph) {
    ADD_FAILURE() << graph.error().text();
    return {};
  }
  const Status sound = verify(graph.value());
  EXPECT_TRUE(sound) << sound.error().text();
  return print(graph.value(), options);
}

void expect_error(std::string_view text, std::string_view part, ErrorCode code = ErrorCode::invalid_model) {
  const Result<Graph> graph = parse(text, small_op);
  ASSERT_FALSE(graph) << text;
  EXPECT_EQ(graph.error().code, code) << graph.error().text();
  EXPECT_NE(graph.error().text().find(part), std::string::npos) << graph.error().text();
}

TEST(Text, PrintsWhatItParsed) {
  const std::string text = R"(graph net {
  producer "pytorch 2.1"
  meta "author" = "line one\nline \"two\""
  input %x: f32[batch,3,?,"seq len"]
  input %list: seq(f32[...])
  input %table: map(i64,string[])
  input %maybe: optional(f32[2])
  %y = Add(%x, %x)  # f32[batch,3,?,"seq len"]
  %w = const f32[2,2]{1,-0,0.1,inf}
  %z, _, %"odd name" = Tap(%y, _, %w) @node1  # f32[batch,3,?,"seq len"], _, f32[batch,3,?,"seq len"]
  _ = Relu(%z)  # _
  output %z
  output %"odd name" as "result"
}
)";
  EXPECT_EQ(reprint(text), text);
}

TEST(Text, LinesAloneAreAGraph) {
  EXPECT_EQ(reprint("input %x: f32[2]  %y = Relu(%x)\n# done\noutput %y"), R"(graph {
  input %x: f32[2]
  %y = Relu(%x)  # f32[2]
  output %y
}
)");
}

TEST(Text, EveryElementTypeRoundTrips) {
  const std::string text = R"(graph {
  %a = const f16[2]{0.1,65504}
  %b = const bf16[2]{-1.5,nan}
  %c = const f64[1]{0.1}
  %d = const i64[2]{-9223372036854775808,9223372036854775807}
  %e = const u64[1]{18446744073709551615}
  %f = const i4[3]{-8,7,0}
  %g = const u2[5]{0,1,2,3,0}
  %h = const bool[2]{0,1}
  %i = const string[2]{"a\"b\x01","é"}
  %j = const c64[2]{(1,-2),(0.5,inf)}
  %k = const f8e4m3fn[2]{448,-0.5}
  %l = const f4e2m1[3]{6,-0.5,1.5}
  %m = const f8e8m0[1]{0.25}
  %n = const i8[]{-128}
  %o = const f32[0,3]{}
  output %a
  output %b
  output %c
  output %d
  output %e
  output %f
  output %g
  output %h
  output %i
  output %j
  output %k
  output %l
  output %m
  output %n
  output %o
}
)";
  const std::string printed = reprint(text);
  EXPECT_EQ(reprint(printed), printed);
  for (std::string_view rest = text; !rest.empty(); rest.remove_prefix(rest.find('\n') + 1)) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    const std::string shown =
        line.find("f16") == std::string_view::npos ? std::string(line) : "  %a = const f16[2]{0.099975586,65504}";
    EXPECT_NE(printed.find(shown + "\n"), std::string::npos) << shown << "\nin\n" << printed;
  }
}

TEST(Text, AttributesOfEveryKind) {
  const std::string text = R"(graph {
  input %x: f32[1]
  %y = com.example.Mixed(%x) {count=-7, scale=2.0, flag=1, mode="a b", to=10, axis=none, pads=[1, 2], scales=[1e-05, inf], words=["", "x"], table=i32[2]{1,2}, tables=[f32[]{1}, f32[1]{2}], bodies=[graph {
    input %i: f32[1]
    output %i
  }, graph two {
  }]}  # f32[1]
  output %y
}
)";
  EXPECT_EQ(reprint(text), text);
}

TEST(Text, AttributeShorthands) {
  const auto graph = parse(R"(input %x: f32[1]
    %y = com.example.Mixed(%x) {scale=3, flag=true, to=f16, scales=[], words=[], bodies=[], pads=[]}
    %z = com.example.Mixed(%x) {scales=[1,2], axis=5})",
                           small_op);
  ASSERT_TRUE(graph) << graph.error().text();
  const auto& y = graph.value().node(0).attrs.as<MixedAttrs>();
  EXPECT_EQ(y.scale, 3.0F);
  EXPECT_TRUE(y.flag);
  EXPECT_EQ(y.to, ElementType::f16);
  EXPECT_TRUE(y.scales.empty());
  const auto& z = graph.value().node(1).attrs.as<MixedAttrs>();
  EXPECT_EQ(z.scales, (std::vector<float>{1, 2}));
  EXPECT_EQ(z.axis, 5);
}

TEST(Text, SubGraphsAndCaptures) {
  const std::string text = R"(graph {
  input %x: f32[1]
  input %c: f32[N]
  %y = Branch(%x; %c, %c) {body=graph inner {
    input %a: f32[1]
    input %b: f32[M]
    input %b2: f32[M]
    %s = Add(%b, %b2)  # f32[M]
    output %s
  }}  # f32[M]
  %z = Branch(%x;) {body=graph {
    input %a: f32[1]
    output %a
  }}  # f32[1]
  output %y
  output %z
}
)";
  const auto graph = parse(text, small_op);
  ASSERT_TRUE(graph) << graph.error().text();
  EXPECT_EQ(graph.value().node(0).captures_at, 1u);
  EXPECT_EQ(graph.value().node(0).inputs.size(), 3u);
  EXPECT_EQ(graph.value().node(1).captures_at, 1u);
  // The symbol of the inner graph is not the outer one's.
  EXPECT_EQ(print(graph.value(), {.facts = false}), reprint(text, {.facts = false}));
}

TEST(Text, NamesThatAreEmptyOrTakenGetNumbers) {
  Graph graph;
  const ValueId a = graph.add_input("x", f32({1})), b = graph.add_input("x", f32({1})), c = graph.add_input("", f32({1}));
  graph.add_input("x.1", f32({1}));
  const NodeId node = graph.add_node(small_op("", "Tap"), "", {}, {a, b, c}, 2);
  graph.add_output(graph.node(node).outputs[1], "y");
  ASSERT_TRUE(infer_all(graph));
  const std::string text = print(graph, kWhole);
  EXPECT_EQ(text, reprint(text));
  EXPECT_NE(text.find("input %x: f32[1]\n  input %x.2: f32[1]\n  input %v.1: f32[1]\n  input %x.1: f32[1]"), std::string::npos)
      << text;
}

TEST(Text, UnusedConstantsAndRemovedNodesAreLeftOut) {
  Graph graph;
  const ValueId x = graph.add_input("x", f32({1}));
  graph.add_constant("unused", Tensor::scalar(1.0F));
  graph.remove_node(graph.add_node(small_op("", "Relu"), "gone", {}, {x}, 1));
  graph.add_output(x, "x");
  EXPECT_EQ(print(graph), "graph {\n  input %x: f32[1]\n  output %x\n}\n");
}

TEST(Text, LargeConstantsAreElidedButToldApart) {
  Graph graph;
  Tensor a(ElementType::f32, {5, 5}), b(ElementType::f32, {5, 5});
  a.as<float>()[3] = 1;
  b.as<float>()[4] = 1;
  graph.add_output(graph.add_constant("a", a), "a");
  graph.add_output(graph.add_constant("b", b), "b");
  graph.add_output(graph.add_constant("same", Tensor(ElementType::i64, {100})), "same");
  const std::string text = print(graph);
  EXPECT_NE(text.find("%a = const f32[5,5]{...}\n"), std::string::npos) << text;
  EXPECT_NE(text.find("%same = const i64[100] full(0)\n"), std::string::npos) << text;
  expect_error(text, "left out");

  const auto holder = [](const Tensor& t) {
    Graph g;
    g.add_output(g.add_constant("c", t), "c");
    return AttrValue(std::make_shared<const Graph>(std::move(g)));
  };
  EXPECT_FALSE(equal(holder(a), holder(b)));
  EXPECT_TRUE(equal(holder(a), holder(a.clone())));
}

TEST(Text, Generators) {
  const auto graph =
      parse(R"(%a = const f32[2,3] ramp  %b = const u8[2] ones  %c = const i4[3] zeros  %d = const f32[1000] random(7)
    %e = const f32[1000] random(7)  %f = const f32[1000] random(8)  %g = const i8[100] random(1)  %h = const string[2] full("x")
    %i = const i4[3] full(-3)  %j = const c64[2] full((1,2)))",
            small_op);
  ASSERT_TRUE(graph) << graph.error().text();
  const auto values = [&](std::string_view name) {
    return to_doubles(graph.value().value(graph.value().find_value(name)).constant.view());
  };
  EXPECT_EQ(values("a"), (std::vector<double>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(values("b"), (std::vector<double>{1, 1}));
  EXPECT_EQ(values("c"), (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(values("d"), values("e"));
  EXPECT_NE(values("d"), values("f"));
  double least = 1, most = -1;
  for (const double v : values("d")) least = std::min(least, v), most = std::max(most, v);
  EXPECT_GE(least, -1);
  EXPECT_LT(least, -0.9);
  EXPECT_LT(most, 1);
  EXPECT_GT(most, 0.9);
  for (const double v : values("g")) EXPECT_TRUE(v >= -8 && v < 8);
  EXPECT_EQ(values("i"), (std::vector<double>{-3, -3, -3}));
  EXPECT_EQ(values("j"), (std::vector<double>{1, 1}));
}

TEST(Text, ErrorsSayWhereAndWhat) {
  expect_error("input %x: f32[2]\n%y = Relu(%z)", "line 2, column 11: value '%z' is not defined above");
  expect_error("%y = Rleu(_)", "there is no operator 'Rleu'");
  expect_error("input %x  input %x", "defined twice");
  expect_error("input %x: f32[-1]", "negative");
  expect_error("input %x: f99[1]", "element type");
  expect_error("input %x  %y = Relu(%x, %x)", "takes 1 to 1 inputs");
  expect_error("input %x  %y = Add(%x, _)", "required input 1 is missing");
  expect_error("input %x  %y = Branch(%x)", "needs the attribute 'body'");
  expect_error("input %x  %y = Relu(%x) {alpha=1}", "no attribute 'alpha'");
  expect_error("input %x  %y = com.example.Mixed(%x) {count=\"x\"}", "attribute 'count'");
  expect_error("input %x  %y = com.example.Mixed(%x) {pads=[1, \"x\"]}", "of one kind");
  expect_error("input %a: f32[2]  input %b: f32[3]  %c = Add(%a, %b)", "the sides differ");
  expect_error("%c = const u8[1]{256}", "out of the range of u8");
  expect_error("%c = const f32[N] zeros", "known extents");
  expect_error("%c = const f32[2]{1}", "expected ','");
  expect_error("%c = const f32[2] sparkle", "no generator 'sparkle'");
  expect_error("graph { input %x", "expected '}'");
  expect_error("graph { } extra", "the end of the text");
  expect_error("input %\"x", "has no end");
  expect_error("meta \"\\q\" = \"\"", "unknown escape");
  expect_error("output _", "cannot be absent");
  expect_error("input %", "a name is missing");
  expect_error("&", "a line of a graph");
}

TEST(Text, LimitsHold) {
  expect_error("%c = const f32[1000000000000] zeros", "bytes of constants", ErrorCode::limit);
  expect_error("%a = const u8[200000000] zeros %b = const u8[200000000] zeros", "bytes of constants", ErrorCode::limit);
  expect_error("%c = const f32[0,4611686018427387904,4] zeros", "bytes of constants", ErrorCode::limit);
  expect_error("input %x: f32[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "rank", ErrorCode::limit);
  std::string types, lists = "input %x  %y = com.example.Mixed(%x) {pads=", graphs = "input %x: f32[1]\n";
  for (int i = 0; i < 1000; ++i) {
    types += "seq(";
    lists += "[";
    graphs += "%y = Branch(%x) {body=graph { input %x: f32[1] ";
  }
  expect_error("input %x: " + types, "types in types", ErrorCode::limit);
  expect_error(lists, "lists in lists", ErrorCode::limit);
  expect_error(graphs, "graphs in graphs", ErrorCode::limit);
}

TEST(Text, OneNodeAlone) {
  const auto graph = parse("input %x: f32[1]  %y = Relu(%x) @first", small_op);
  ASSERT_TRUE(graph);
  EXPECT_EQ(print_node(graph.value(), 0), "%y = Relu(%x) @first  # f32[1]");
}

}  // namespace
}  // namespace slipway::ir
