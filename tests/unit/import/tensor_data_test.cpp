#include "unit/import/import_model.hpp"
#include "unit/import/proto_writer.hpp"

namespace slipway::test {
namespace {

/// A model whose one output is the initializer `t`, named "t".
std::string holding(const Message& t) {
  return model(graph({{}, {}, {Message().bytes(1, "t")}, {t}}));
}
std::string holding_sparse(const Message& t) {
  return model(graph({{}, {}, {Message().bytes(1, "t")}, {}, {}, {t}}));
}

Tensor loaded(const std::string& bytes) {
  const ir::Graph g = import_good(bytes);
  return g.outputs().empty() ? Tensor() : g.value(g.outputs()[0]).constant;
}
Message header(int type, std::initializer_list<int64_t> dims) {
  return Message().packed(1, dims).integer(2, type).bytes(8, "t");
}

TEST(TensorData, RawBytesOfEveryWidth) {
  EXPECT_EQ(loaded(holding(floats("t", {2}, {1.5f, 2.5f}))).as<float>()[1], 2.5f);
  EXPECT_EQ(loaded(holding(int64s("t", {1}, {-7}))).as<int64_t>()[0], -7);
  EXPECT_EQ(loaded(holding(tensor("t", 2, {3}, "\x01\x02\x03"))).as<uint8_t>()[2], 3);
  const Tensor packed = loaded(holding(tensor("t", 22, {3}, "\x21\x03")));
  EXPECT_EQ(packed.type(), ElementType::i4);
  EXPECT_EQ(packed.as<uint8_t>()[0], 0x21);
  EXPECT_EQ(loaded(holding(tensor("t", 25, {5}, "\xe4\x01"))).as<uint8_t>()[1], 1);
  const Tensor truths = loaded(holding(tensor("t", 9, {3}, std::string("\x00\x01\xff", 3))));
  EXPECT_EQ(truths.as<uint8_t>()[0], 0);
  EXPECT_EQ(truths.as<uint8_t>()[2], 1);
}

TEST(TensorData, TypedFields) {
  EXPECT_EQ(loaded(holding(header(1, {2}).bytes(4, raw<float>({1, 2})))).as<float>()[1], 2);
  EXPECT_EQ(loaded(holding(header(1, {3}).f32(4, 1).f32(4, 2).f32(4, 3))).dims()[0], 3);
  EXPECT_EQ(loaded(holding(header(11, {1}).bytes(10, raw<double>({0.5})))).as<double>()[0], 0.5);
  EXPECT_EQ(loaded(holding(header(6, {2}).packed(5, {-1, 3}))).as<int32_t>()[0], -1);
  EXPECT_EQ(loaded(holding(header(3, {2}).packed(5, {-1, 3}))).as<int8_t>()[0], -1);
  EXPECT_EQ(loaded(holding(header(10, {1}).packed(5, {0x3c00}))).as<uint16_t>()[0], 0x3c00);
  EXPECT_EQ(loaded(holding(header(9, {2}).packed(5, {0, 2}))).as<uint8_t>()[1], 1);
  EXPECT_EQ(loaded(holding(header(21, {3}).packed(5, {0x21, 0x03}))).as<uint8_t>()[1], 3);
  EXPECT_EQ(loaded(holding(header(7, {2}).packed(7, {-5, 6}))).as<int64_t>()[0], -5);
  EXPECT_EQ(loaded(holding(header(12, {1}).packed(11, {4000000000}))).as<uint32_t>()[0], 4000000000u);
  EXPECT_EQ(loaded(holding(header(13, {1}).packed(11, {-1}))).as<uint64_t>()[0], UINT64_MAX);
  EXPECT_EQ(loaded(holding(header(8, {2}).bytes(6, "ab").bytes(6, ""))).as<std::string>()[0], "ab");
}

TEST(TensorData, ScalarsAndEmptyTensors) {
  EXPECT_TRUE(loaded(holding(floats("t", {}, {1}))).dims().empty());
  const Tensor none = loaded(holding(floats("t", {2, 0, 3}, {})));
  EXPECT_EQ(none.count(), 0);
  EXPECT_EQ(none.dims().rank(), 3);
}

TEST(TensorData, AlignedWeightsAreViewsAndMisalignedOnesCopies) {
  const std::string bytes = holding(floats("t", {2}, {1, 2}));
  const size_t at = bytes.find(raw<float>({1, 2}));
  for (size_t shift = 0; shift < 4; ++shift) {
    auto buffer = std::make_shared<std::vector<double>>(bytes.size() / 8 + 2);
    char* start = reinterpret_cast<char*>(buffer->data()) + shift;
    std::memcpy(start, bytes.data(), bytes.size());
    Result<ir::Graph> g = import::read({std::as_bytes(std::span(start, bytes.size())), buffer, {}});
    ASSERT_TRUE(g);
    const Tensor& t = g->value(g->outputs()[0]).constant;
    EXPECT_EQ(t.data() == start + at, (shift + at) % 4 == 0);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(t.data()) % 4, 0u);
    EXPECT_EQ(t.as<float>()[1], 2);
  }
}

TEST(TensorData, SparseTensorsBecomeDense) {
  const Message linear = Message().add(1, floats("t", {2}, {5, 6})).add(2, int64s("", {2}, {1, 5})).packed(3, {2, 3});
  const Tensor a = loaded(holding_sparse(linear));
  EXPECT_EQ(to_string(a.dims()), "2x3");
  EXPECT_EQ(a.as<float>()[1], 5);
  EXPECT_EQ(a.as<float>()[5], 6);
  EXPECT_EQ(a.as<float>()[0], 0);
  const Message coordinates = Message().add(1, floats("t", {1}, {5})).add(2, int64s("", {1, 2}, {1, 2})).packed(3, {2, 3});
  EXPECT_EQ(loaded(holding_sparse(coordinates)).as<float>()[5], 5);
}

struct BadTensor {
  const char* label;
  Message tensor;
  const char* says;
  ErrorCode code = ErrorCode::invalid_model;
};

TEST(TensorData, BadTensorsAreRefused) {
  const BadTensor cases[] = {
      {"too few bytes", tensor("t", 1, {2}, "1234567"), "raw data has 7 bytes"},
      {"too many bytes", tensor("t", 1, {1}, "12345678"), "raw data has 8 bytes"},
      {"negative extent", tensor("t", 1, {-1}, ""), "negative"},
      {"overflowing extents", tensor("t", 1, {int64_t{1} << 32, int64_t{1} << 32}, ""), "beyond every limit"},
      {"large extents without data", header(1, {int64_t{1} << 38}), "holds 0 values"},
      {"rank 17", tensor("t", 1, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, "1234"), "17 dimensions", ErrorCode::limit},
      {"type 0", tensor("t", 0, {1}, "1"), "element type 0", ErrorCode::unsupported},
      {"type 27", tensor("t", 27, {1}, "1"), "element type 27", ErrorCode::unsupported},
      {"raw strings", tensor("t", 8, {1}, "a"), "strings cannot be raw"},
      {"missing string", header(8, {2}).bytes(6, "a"), "holds 1 values"},
      {"count of varints", header(6, {2}).packed(5, {1, 2, 3}), "holds 3 values"},
      {"data of another type", header(6, {2}).packed(7, {1, 2}), "holds 0 values"},
      {"segments", header(1, {1}).add(3, Message().integer(1, 0)), "segments", ErrorCode::unsupported},
      {"wrong wire type", header(1, {1}).integer(9, 4), "wire type"},
      {"external from memory", header(1, {1}).add(13, Message().bytes(1, "location").bytes(2, "w")).integer(14, 1),
       "came from memory", ErrorCode::invalid_argument},
  };
  for (const BadTensor& c : cases) {
    SCOPED_TRACE(c.label);
    const std::string text = refusal(holding(c.tensor), c.code);
    EXPECT_HAS(text, c.says);
    EXPECT_HAS(text, "initializer t");
  }
}

TEST(TensorData, BadSparseTensorsAreRefused) {
  const auto sparse = [](const Message& indices, std::initializer_list<int64_t> dims) {
    return holding_sparse(Message().add(1, floats("t", {1}, {5})).add(2, indices).packed(3, dims));
  };
  EXPECT_HAS(refusal(sparse(int64s("", {1}, {6}), {2, 3})), "outside");
  EXPECT_HAS(refusal(sparse(int64s("", {1}, {-1}), {2, 3})), "outside");
  EXPECT_HAS(refusal(sparse(int64s("", {1, 2}, {0, 3}), {2, 3})), "outside");
  EXPECT_HAS(refusal(sparse(int64s("", {2}, {0, 3}), {2, 3})), "do not make a sparse tensor");
  EXPECT_HAS(refusal(sparse(int64s("", {1}, {0}), {1 << 15, 1 << 15}), ErrorCode::limit), "made dense");
}

}  // namespace
}  // namespace slipway::test
