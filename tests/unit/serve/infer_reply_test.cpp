// render_infer: replies byte for byte.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/format.hpp"
#include "base/low_precision.hpp"
#include "specs.hpp"

namespace slipway::serve {
namespace {

template <class T>
Tensor tensor(ElementType type, const Dims& dims, std::initializer_list<T> values) {
  return Tensor::from<T>(type, dims, std::span<const T>(values.begin(), values.size()));
}

std::string json_of(const Tensor& result) {
  InferRequest request;
  request.outputs = {{0, false, 0}};
  const ir::Value value(result);
  const auto reply = render_infer(request, echo(result.type()), std::span(&value, 1));
  if (!reply) return reply.error().text();
  EXPECT_FALSE(reply->json_bytes.has_value());
  return reply->body;
}

std::string whole(std::string_view datatype, std::string_view shape, std::string_view data) {
  return fmt::format(
      R"({{"model_name":"m","model_version":"1","outputs":[{{"name":"y","datatype":"{}","shape":{},"data":{}}}]}})", datatype,
      shape, data);
}

TEST(InferReply, JsonOfEveryType) {
  using E = ElementType;
  constexpr float kInf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(json_of(tensor<float>(E::f32, {2, 2}, {0.1F, -2, 1e30F, 0})), whole("FP32", "[2,2]", "[0.1,-2,1e+30,0]"));
  EXPECT_EQ(json_of(tensor<float>(E::f32, {3}, {std::nanf(""), kInf, -kInf})), whole("FP32", "[3]", "[NaN,Infinity,-Infinity]"));
  EXPECT_EQ(json_of(tensor<double>(E::f64, {1}, {1.0 / 3})), whole("FP64", "[1]", "[0.3333333333333333]"));
  EXPECT_EQ(json_of(tensor<Half>(E::f16, {1}, {Half(0.5F)})), whole("FP16", "[1]", "[0.5]"));
  EXPECT_EQ(json_of(tensor<BFloat16>(E::bf16, {1}, {BFloat16(-1.5F)})), whole("BF16", "[1]", "[-1.5]"));
  EXPECT_EQ(json_of(tensor<uint8_t>(E::u8, {2}, {0, 255})), whole("UINT8", "[2]", "[0,255]"));
  EXPECT_EQ(json_of(tensor<int8_t>(E::i8, {1}, {-128})), whole("INT8", "[1]", "[-128]"));
  EXPECT_EQ(json_of(tensor<uint16_t>(E::u16, {1}, {65535})), whole("UINT16", "[1]", "[65535]"));
  EXPECT_EQ(json_of(tensor<int16_t>(E::i16, {1}, {-3})), whole("INT16", "[1]", "[-3]"));
  EXPECT_EQ(json_of(tensor<uint32_t>(E::u32, {1}, {UINT32_MAX})), whole("UINT32", "[1]", "[4294967295]"));
  EXPECT_EQ(json_of(tensor<int32_t>(E::i32, {1}, {INT32_MIN})), whole("INT32", "[1]", "[-2147483648]"));
  EXPECT_EQ(json_of(tensor<uint64_t>(E::u64, {1}, {UINT64_MAX})), whole("UINT64", "[1]", "[18446744073709551615]"));
  EXPECT_EQ(json_of(tensor<int64_t>(E::i64, {1}, {INT64_MIN})), whole("INT64", "[1]", "[-9223372036854775808]"));
  EXPECT_EQ(json_of(tensor<bool>(E::boolean, {2}, {true, false})), whole("BOOL", "[2]", "[true,false]"));
  EXPECT_EQ(json_of(strings({2}, {"a\"b", "\xc3\xa9"})), whole("BYTES", "[2]", "[\"a\\\"b\",\"\xc3\xa9\"]"));
  EXPECT_EQ(json_of(Tensor(E::f32, {0, 2})), whole("FP32", "[0,2]", "[]"));
  EXPECT_EQ(json_of(Tensor::scalar(2.0F)), whole("FP32", "[]", "[2]"));
  EXPECT_NE(json_of(strings({1}, {"\xff"})).find("not UTF-8"), std::string::npos);
}

TEST(InferReply, BinaryTensorsFollowInOrder) {
  InferRequest request;
  request.id = "a\"b";
  request.outputs = {{1, true, 0}, {0, true, 0}};
  const std::vector<ir::Value> results = {tensor<float>(ElementType::f32, {1, 2}, {1, 2}), strings({2}, {"x", "yz"})};
  const auto reply = render_infer(request, mixed(), results);
  ASSERT_TRUE(reply.has_value()) << reply.error().text();
  const std::string json = R"({"model_name":"mix","model_version":"3","id":"a\"b","outputs":[)"
                           R"({"name":"t","datatype":"BYTES","shape":[2],"parameters":{"binary_data_size":11}},)"
                           R"({"name":"s","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}}]})";
  EXPECT_EQ(reply->json_bytes, json.size());
  EXPECT_EQ(reply->body, json + counted("x") + counted("yz") + bytes_of({1.0F, 2.0F}));
}

TEST(InferReply, BinaryAndJsonMixed) {
  InferRequest request;
  request.outputs = {{0, true, 0}, {1, false, 0}};
  const std::vector<ir::Value> results = {tensor<float>(ElementType::f32, {1, 2}, {1, 2}), strings({1}, {"x"})};
  const auto reply = render_infer(request, mixed(), results);
  ASSERT_TRUE(reply.has_value()) << reply.error().text();
  const std::string json = R"({"model_name":"mix","model_version":"3","outputs":[)"
                           R"({"name":"s","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}},)"
                           R"({"name":"t","datatype":"BYTES","shape":[1],"data":["x"]}]})";
  EXPECT_EQ(reply->json_bytes, json.size());
  EXPECT_EQ(reply->body, json + bytes_of({1.0F, 2.0F}));
}

TEST(InferReply, AnEmptyBinaryTensorStillNamesTheJsonsEnd) {
  InferRequest request;
  request.outputs = {{0, true, 0}};
  const ir::Value value(Tensor(ElementType::f32, {0}));
  const auto reply = render_infer(request, echo(ElementType::f32), std::span(&value, 1));
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->json_bytes, reply->body.size());
}

std::vector<std::string> classes_of(const Tensor& result, int64_t classes) {
  InferRequest request;
  request.outputs = {{0, true, classes}};
  const ir::Value value(result);
  const auto reply = render_infer(request, echo(result.type()), std::span(&value, 1));
  if (!reply) return {reply.error().text()};
  std::vector<std::string> out;
  for (size_t at = *reply->json_bytes; at < reply->body.size();) {
    uint32_t length = 0;
    std::memcpy(&length, reply->body.data() + at, 4);
    out.push_back(reply->body.substr(at + 4, length));
    at += 4 + length;
  }
  return out;
}

TEST(InferReply, Classification) {
  using E = ElementType;
  using Texts = std::vector<std::string>;
  EXPECT_EQ(classes_of(tensor<float>(E::f32, {2, 3}, {0.1F, 0.7F, 0.2F, 5, 4, 5}), 2),
            (Texts{"0.700000:1", "0.200000:2", "5.000000:0", "5.000000:2"}));
  EXPECT_EQ(classes_of(tensor<int64_t>(E::i64, {3}, {INT64_MAX - 1, INT64_MAX, -1}), 9),
            (Texts{"9223372036854775807:1", "9223372036854775806:0", "-1:2"}));
  EXPECT_EQ(classes_of(tensor<float>(E::f32, {3}, {std::nanf(""), -1, std::nanf("")}), 3),
            (Texts{"-1.000000:1", "nan:0", "nan:2"}));
  EXPECT_EQ(classes_of(Tensor(E::f32, {0, 3}), 2), Texts{});
  EXPECT_EQ(classes_of(Tensor(E::f32, {2, 0}), 2), Texts{});
  EXPECT_EQ(classes_of(Tensor::scalar(3.0F), 1), Texts{"3.000000:0"});
}

TEST(InferReply, WhatIsNoTensorIsRefused) {
  InferRequest request;
  request.outputs = {{0, false, 0}};
  const ir::Value nothing;
  const auto reply = render_infer(request, echo(ElementType::f32), std::span(&nothing, 1));
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().code, ErrorCode::unsupported);
}

}  // namespace
}  // namespace slipway::serve
