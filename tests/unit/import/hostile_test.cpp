// Models that nobody means well with: they are refused or imported, but never crash, hang or take much memory.
#include "unit/import/import_model.hpp"
#include "unit/import/proto_writer.hpp"

namespace slipway::test {
namespace {

/// A model that uses most of the format.
std::string rich_model() {
  const Message clip = function({"local",
                                 "F",
                                 {"a"},
                                 {"b"},
                                 {"axis"},
                                 {node({"Softmax", {"a"}, {"b"}}, {attr_reference("axis", "axis", 2)})},
                                 {opset("", 17)}});
  return model(graph({{node({"Conv", {"x", "w"}, {"c"}, "conv"}, {attr_ints("pads", {1, 1, 1, 1}), attr_ints("strides", {2, 2})}),
                       node({"Constant", {}, {"k"}}, {attr_tensor("value", floats("", {1}, {2}))}),
                       node({"Add", {"c", "k"}, {"d"}}), node({"F", {"d"}, {"y"}, "call", "local"}, {attr_int("axis", 1)})},
                      {value("x", kF32, {"batch", 1, 4, 4})},
                      {value("y", kF32, {"batch", 1, 2, 2})},
                      {floats("w", {1, 1, 3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9})},
                      {value("c", kF32, {"batch", 1, 2, 2})}}),
               {.functions = {clip}, .opsets = {opset("local", 1)}});
}

TEST(HostileModel, TheRichModelIsGood) {
  EXPECT_EQ(import_good(rich_model()).live_nodes(), 3u);
}

TEST(HostileModel, EveryTruncationIsSurvived) {
  const std::string good = rich_model();
  for (size_t n = 0; n < good.size(); ++n) (void)import_text(good.substr(0, n));
}

TEST(HostileModel, EveryChangedByteIsSurvived) {
  const std::string good = rich_model();
  for (size_t i = 0; i < good.size(); ++i) {
    for (unsigned change : {0x01u, 0x80u, 0xffu, 0x08u}) {
      std::string bad = good;
      bad[i] = static_cast<char>(static_cast<unsigned char>(bad[i]) ^ change);
      (void)import_text(bad);
    }
  }
}

TEST(HostileModel, DeepNestingMeetsALimit) {
  Message inner = graph({{node({"Relu", {"x"}, {"y"}})}, {}, {value("y", kF32, {2})}});
  for (int i = 0; i < 2000; ++i) {
    inner = graph({{node({"If", {"x"}, {"y"}}, {attr_graph("then_branch", inner)})}, {}, {value("y", kF32, {2})}});
  }
  EXPECT_HAS(refusal(model(inner), ErrorCode::limit), "nested deeper");
}

TEST(HostileModel, DeepTypesMeetALimit) {
  Message type = tensor_type(kF32, {2});
  for (int i = 0; i < 2000; ++i) type = Message().add(4, Message().add(1, type));
  EXPECT_HAS(refusal(model(graph({{}, {value("x", type)}, {value("x", type)}})), ErrorCode::limit), "nested deeper");
}

TEST(HostileModel, ManyNodesMeetALimit) {
  std::string bytes = Message().integer(1, 8).add(8, opset("", 17)).text();
  std::string nodes;
  for (int i = 0; i < (1 << 20) + 1; ++i) nodes += std::string("\x0a\x00", 2);
  bytes += Message().bytes(7, nodes).text();
  EXPECT_HAS(refusal(bytes, ErrorCode::limit), "nodes");
}

TEST(HostileModel, LongNamesMeetALimit) {
  const std::string long_name(1 << 17, 'n');
  EXPECT_HAS(refusal(one_node_model(node({"Relu", {"x"}, {"y"}, long_name}), {2}), ErrorCode::limit), "longer than the limit");
}

TEST(HostileModel, NamesCannotForgeLinesOfALog) {
  const std::string text =
      refusal(one_node_model(node({"Nope", {"x"}, {"y"}, "a\n2024 ERROR \x1b[31m"}), {2}), ErrorCode::unsupported);
  EXPECT_EQ(text.find_first_of("\n\x1b"), std::string::npos) << text;
  EXPECT_LT(refusal(one_node_model(node({"Nope", {"x"}, {"y"}, std::string(60000, 'n')}), {2}), ErrorCode::unsupported).size(),
            500u);
}

TEST(HostileModel, OtherFilesAreNotOnnx) {
  EXPECT_HAS(refusal("\x7f"
                     "ELF\x02\x01\x01"),
             "is not ONNX");
  EXPECT_HAS(refusal("import torch\n"), "is not ONNX");
  EXPECT_HAS(refusal(std::string("PK\x03\x04 archive")), "");
  EXPECT_HAS(refusal(""), "empty");
  EXPECT_HAS(refusal(Message().integer(1, 8).text()), "no graph");
}

TEST(HostileModel, HugeExtentsAreOnlyNumbers) {
  constexpr int64_t kHuge = int64_t{1} << 39;
  (void)import_text(one_node_model(node({"Flatten", {"x"}, {"y"}}), {kHuge, kHuge, kHuge, kHuge}));
  (void)import_text(one_node_model(node({"Relu", {"x"}, {"y"}}), {std::numeric_limits<int64_t>::max(), int64_t{-7}}));
}

}  // namespace
}  // namespace slipway::test
