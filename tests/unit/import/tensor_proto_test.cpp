#include "import/onnx/tensor_proto.hpp"

#include <gtest/gtest.h>

#include "ir/fact.hpp"
#include "unit/import/proto_writer.hpp"

namespace slipway::test {
namespace {

using import::onnx::read_tensor;
using import::onnx::read_value;
using import::onnx::write_tensor;
using import::onnx::write_value;
using ir::Fact;

FileBytes file_of(const std::string& bytes) {
  auto owner = std::make_shared<std::string>(bytes);
  return FileBytes(owner, reinterpret_cast<const std::byte*>(owner->data()), owner->size(), false);
}
const Fact kFloats = Fact::tensor(ElementType::f32);

TEST(TensorProto, WrittenTensorsReadBack) {
  const std::string words[] = {"one", "", "three"};
  const float numbers[] = {1, 2, 3, 4, 5, 6};
  Tensor nibbles(ElementType::i4, {3});
  nibbles.as<uint8_t>()[0] = 0x21;
  for (const Tensor& t : {Tensor::from<float>(ElementType::f32, {2, 3}, numbers), Tensor::scalar(int64_t{-3}), nibbles,
                          Tensor::from<std::string>(ElementType::string, {3}, words), Tensor(ElementType::f16, {0, 2})}) {
    const Result<Tensor> back = read_tensor(file_of(write_tensor(t, "name")));
    ASSERT_TRUE(back) << back.error().text();
    EXPECT_TRUE(back->same_bytes(t));
  }
}

TEST(TensorProto, WrittenValuesReadBack) {
  const int64_t numbers[] = {7, -2};
  const std::string words[] = {"a", "b"};
  const auto map = std::make_shared<const ir::Map>(
      ir::Map{Tensor::from<std::string>(ElementType::string, {2}, words), Tensor::from<int64_t>(ElementType::i64, {2}, numbers)});
  const ir::Value list(std::make_shared<const std::vector<ir::Value>>(std::vector<ir::Value>{map, map}));
  const Fact inside = Fact::map(ElementType::string, Fact::tensor(ElementType::i64));
  const Result<ir::Value> back = read_value(file_of(write_value(list, "maps")), Fact::sequence(inside));
  ASSERT_TRUE(back) << back.error().text();
  ASSERT_EQ(back->sequence()->size(), 2u);
  const ir::Map& second = *(*back->sequence())[1].map();
  EXPECT_TRUE(second.keys.same_bytes(map->keys));
  EXPECT_TRUE(second.values.same_bytes(map->values));
  Fact optional = kFloats;
  optional.optional = true;
  const Result<ir::Value> none = read_value(file_of(write_value({}, "none")), optional);
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->has_value());
}

TEST(TensorProto, Sequences) {
  const Message sequence = Message().bytes(1, "s").integer(2, 1).add(3, floats("", {1}, {1})).add(3, floats("", {2}, {2, 3}));
  const Result<ir::Value> v = read_value(file_of(sequence.text()), Fact::sequence(kFloats));
  ASSERT_TRUE(v);
  ASSERT_NE(v->sequence(), nullptr);
  ASSERT_EQ(v->sequence()->size(), 2u);
  EXPECT_EQ((*v->sequence())[1].tensor()->as<float>()[1], 3);
}

TEST(TensorProto, Optionals) {
  Fact optional = kFloats;
  optional.optional = true;
  const Result<ir::Value> some = read_value(file_of(Message().integer(2, 1).add(3, floats("", {1}, {4})).text()), optional);
  ASSERT_TRUE(some);
  ASSERT_NE(some->tensor(), nullptr);
  EXPECT_EQ(some->tensor()->as<float>()[0], 4);
  const Result<ir::Value> none = read_value(file_of(Message().integer(2, 1).text()), optional);
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->has_value());
}

TEST(TensorProto, Maps) {
  const Message values = Message().integer(2, 1).add(3, floats("", {}, {1})).add(3, floats("", {}, {2}));
  const Message numbered = Message().integer(2, 7).packed(3, {10, 20}).add(5, values);
  const Message named = Message().integer(2, 8).bytes(4, "a").bytes(4, "b").add(5, values);
  const Fact fact = Fact::map(ElementType::i64, kFloats);
  const Result<ir::Value> a = read_value(file_of(numbered.text()), fact), b = read_value(file_of(named.text()), fact);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->map()->keys.as<int64_t>()[1], 20);
  EXPECT_EQ(a->map()->values.as<float>()[1], 2);
  EXPECT_EQ(b->map()->keys.as<std::string>()[1], "b");
  EXPECT_FALSE(read_value(file_of(Message().integer(2, 7).packed(3, {10}).add(5, values).text()), fact));
}

TEST(TensorProto, NestingIsLimited) {
  Message sequence = Message().integer(2, 1);
  for (int i = 0; i < 1000; ++i) sequence = Message().integer(2, 3).add(5, sequence);
  const Result<ir::Value> v = read_value(file_of(sequence.text()), Fact::sequence(kFloats));
  ASSERT_FALSE(v);
  EXPECT_EQ(v.error().code, ErrorCode::limit);
}

TEST(TensorProto, DamagedFilesAreRefused) {
  const std::string good = write_tensor(Tensor::scalar(1.0f));
  for (size_t n = 1; n < good.size(); ++n) EXPECT_FALSE(read_tensor(file_of(good.substr(0, n))));
  EXPECT_FALSE(read_tensor(file_of("not a tensor")));
}

}  // namespace
}  // namespace slipway::test
