// parse_infer: what a request may say, and the sentence that each wrong one gets.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/format.hpp"
#include "base/low_precision.hpp"
#include "serve/codec/json.hpp"
#include "specs.hpp"

namespace slipway::serve {
namespace {

std::string ask(std::string_view datatype, std::string_view shape, std::string_view data) {
  return fmt::format(R"({{"inputs":[{{"name":"x","datatype":"{}","shape":{},"data":{}}}]}})", datatype, shape, data);
}

Result<InferRequest> parse(std::string_view body, const ModelSpec& model) {
  return parse_infer(body, std::nullopt, model);
}

/// JSON and the tensors behind it.
Result<InferRequest> parse_binary(std::string_view json, std::string_view tensors, const ModelSpec& model) {
  return parse_infer(std::string(json) + std::string(tensors), json.size(), model);
}

template <class T>
std::vector<T> read(ElementType type, std::string_view datatype, std::string_view shape, std::string_view data) {
  const auto request = parse(ask(datatype, shape, data), echo(type));
  if (!request) {
    ADD_FAILURE() << request.error().text();
    return {};
  }
  EXPECT_EQ(request->inputs[0].tensor()->type(), type);
  return values_of<T>(request->inputs[0]);
}

void expect_refused(const Result<InferRequest>& request, std::string_view part, ErrorCode code = ErrorCode::invalid_argument) {
  ASSERT_FALSE(request.has_value()) << "expected: " << part;
  EXPECT_EQ(request.error().code, code);
  EXPECT_NE(request.error().message.find(part), std::string::npos) << request.error().message;
}

TEST(InferRequest, JsonOfEveryType) {
  using E = ElementType;
  EXPECT_EQ(read<bool>(E::boolean, "BOOL", "[4]", "[true,false,1,0]"), (std::vector<bool>{true, false, true, false}));
  EXPECT_EQ(read<uint8_t>(E::u8, "UINT8", "[2]", "[0,255]"), (std::vector<uint8_t>{0, 255}));
  EXPECT_EQ(read<uint16_t>(E::u16, "UINT16", "[2]", "[0,65535]"), (std::vector<uint16_t>{0, 65535}));
  EXPECT_EQ(read<uint32_t>(E::u32, "UINT32", "[1]", "[4294967295]"), (std::vector<uint32_t>{4294967295U}));
  EXPECT_EQ(read<uint64_t>(E::u64, "UINT64", "[1]", "[18446744073709551615]"), (std::vector<uint64_t>{UINT64_MAX}));
  EXPECT_EQ(read<int8_t>(E::i8, "INT8", "[2]", "[-128,127]"), (std::vector<int8_t>{-128, 127}));
  EXPECT_EQ(read<int16_t>(E::i16, "INT16", "[2]", "[-32768,32767]"), (std::vector<int16_t>{-32768, 32767}));
  EXPECT_EQ(read<int32_t>(E::i32, "INT32", "[1]", "[-2147483648]"), (std::vector<int32_t>{INT32_MIN}));
  EXPECT_EQ(read<int64_t>(E::i64, "INT64", "[2]", "[-9223372036854775808,9223372036854775807]"),
            (std::vector<int64_t>{INT64_MIN, INT64_MAX}));
  EXPECT_EQ(read<double>(E::f64, "FP64", "[3]", "[1e300,-0.5,7]"), (std::vector<double>{1e300, -0.5, 7}));
  EXPECT_EQ(read<float>(E::f32, "FP32", "[3]", "[0.1,-3,18446744073709551615]"), (std::vector<float>{0.1F, -3, 0x1p64F}));
  EXPECT_EQ(read<std::string>(E::string, "BYTES", "[3]", R"(["a","","z\u00e9\n"])"),
            (std::vector<std::string>{"a", "", "z\xc3\xa9\n"}));
  const auto halves = read<Half>(E::f16, "FP16", "[2]", "[0.5,-2]");
  EXPECT_EQ(static_cast<float>(halves.at(0)), 0.5F);
  EXPECT_EQ(static_cast<float>(halves.at(1)), -2.0F);
  EXPECT_EQ(static_cast<float>(read<BFloat16>(E::bf16, "BF16", "[1]", "[1.5]").at(0)), 1.5F);
}

TEST(InferRequest, NotANumberAndInfinity) {
  const auto got = read<float>(ElementType::f32, "FP32", "[4]", "[NaN,Infinity,-Infinity,Inf]");
  ASSERT_EQ(got.size(), 4U);
  EXPECT_TRUE(std::isnan(got[0]));
  EXPECT_EQ(got[1], std::numeric_limits<float>::infinity());
  EXPECT_EQ(got[2], -std::numeric_limits<float>::infinity());
}

TEST(InferRequest, NumbersAreRoundedOnce) {
  using E = ElementType;
  EXPECT_EQ(read<float>(E::f32, "FP32", "[3]", "[1e-60,-1e-400,0.1e-50]"), (std::vector<float>{0, 0, 0}));
  EXPECT_TRUE(std::signbit(read<float>(E::f32, "FP32", "[1]", "[-0]").at(0)));
  EXPECT_EQ(read<float>(E::f32, "FP32", "[1]", "[1.00000017881393432617187499]"), std::vector<float>{0x1.000002p0F});
  EXPECT_EQ(read<double>(E::f64, "FP64", "[2]", "[5e-324,1.7976931348623157e308]"),
            (std::vector<double>{std::numeric_limits<double>::denorm_min(), std::numeric_limits<double>::max()}));
}

TEST(InferRequest, NestedOrFlatData) {
  const ModelSpec model = echo(ElementType::i32, std::vector<int64_t>{-1, 2});
  for (const char* data : {"[1,2,3,4]", "[[1,2],[3,4]]", "[[[1],[2]],3,4]"}) {
    const auto request = parse(ask("INT32", "[2,2]", data), model);
    ASSERT_TRUE(request.has_value()) << request.error().text();
    EXPECT_EQ(values_of<int32_t>(request->inputs[0]), (std::vector<int32_t>{1, 2, 3, 4}));
    EXPECT_EQ(request->inputs[0].tensor()->dims(), (Dims{2, 2}));
  }
}

TEST(InferRequest, ScalarsAndEmptyTensors) {
  const auto scalar = parse(ask("FP32", "[]", "[5]"), echo(ElementType::f32, std::vector<int64_t>{}));
  ASSERT_TRUE(scalar.has_value()) << scalar.error().text();
  EXPECT_EQ(scalar->inputs[0].tensor()->dims().rank(), 0);
  const auto empty = parse(ask("FP32", "[0,3]", "[]"), echo(ElementType::f32, std::nullopt));
  ASSERT_TRUE(empty.has_value()) << empty.error().text();
  EXPECT_EQ(empty->inputs[0].tensor()->count(), 0);
  EXPECT_TRUE(parse_binary(R"({"inputs":[{"name":"x","datatype":"FP32","shape":[0],"parameters":{"binary_data_size":0}}]})", "",
                           echo(ElementType::f32))
                  .has_value());
}

TEST(InferRequest, BinaryAndJsonMixed) {
  const std::string json = R"({"id":"k","inputs":[{"name":"b","datatype":"INT64","shape":[1],"data":[-7]},)"
                           R"({"name":"a","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}}]})";
  const auto request = parse_binary(json, bytes_of({1.5F, -2.0F}), mixed());
  ASSERT_TRUE(request.has_value()) << request.error().text();
  EXPECT_EQ(request->id, "k");
  EXPECT_EQ(values_of<float>(request->inputs[0]), (std::vector<float>{1.5F, -2}));
  EXPECT_EQ(values_of<int64_t>(request->inputs[1]), (std::vector<int64_t>{-7}));
  ASSERT_EQ(request->outputs.size(), 2U);
  EXPECT_FALSE(request->outputs[0].binary);
  EXPECT_FALSE(request->timeout.has_value());
}

TEST(InferRequest, BinaryTensorsFollowTheOrderOfTheJson) {
  const std::string json = R"({"inputs":[{"name":"b","datatype":"INT64","shape":[1],"parameters":{"binary_data_size":8}},)"
                           R"({"name":"a","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}}]})";
  const auto request = parse_binary(json, bytes_of<int64_t>({9}) + bytes_of({1.0F, 2.0F}), mixed());
  ASSERT_TRUE(request.has_value()) << request.error().text();
  EXPECT_EQ(values_of<int64_t>(request->inputs[1]), (std::vector<int64_t>{9}));
  EXPECT_EQ(values_of<float>(request->inputs[0]), (std::vector<float>{1, 2}));
}

TEST(InferRequest, BinaryStringsAndBools) {
  const auto sized = [](std::string_view datatype, std::string_view tensor) {
    return fmt::format(R"({{"inputs":[{{"name":"x","datatype":"{}","shape":[2],"parameters":{{"binary_data_size":{}}}}}]}})",
                       datatype, tensor.size());
  };
  const std::string texts = counted("one") + counted(std::string_view("\0\xff", 2));
  const auto strings = parse_binary(sized("BYTES", texts), texts, echo(ElementType::string));
  ASSERT_TRUE(strings.has_value()) << strings.error().text();
  EXPECT_EQ(values_of<std::string>(strings->inputs[0]), (std::vector<std::string>{"one", std::string("\0\xff", 2)}));
  const std::string flags("\0\x80", 2);
  const auto bools = parse_binary(sized("BOOL", flags), flags, echo(ElementType::boolean));
  ASSERT_TRUE(bools.has_value()) << bools.error().text();
  EXPECT_EQ(values_of<uint8_t>(bools->inputs[0]), (std::vector<uint8_t>{0, 1}));

  expect_refused(parse_binary(sized("BYTES", "1234567"), "1234567", echo(ElementType::string)), "cannot hold 2 BYTES elements");
  const std::string late = counted("abcd") + bytes_of({uint32_t{100}});
  expect_refused(parse_binary(sized("BYTES", late), late, echo(ElementType::string)), "claims 100 bytes");
  const std::string cut = counted("abcde") + "12";
  expect_refused(parse_binary(sized("BYTES", cut), cut, echo(ElementType::string)), "ends within the length");
  const std::string more = texts + "x";
  expect_refused(parse_binary(sized("BYTES", more), more, echo(ElementType::string)), "1 bytes after its 2");
  const std::string huge = counted("abcd") + bytes_of({UINT32_MAX});
  expect_refused(parse_binary(sized("BYTES", huge), huge, echo(ElementType::string)), "claims 4294967295 bytes");
}

TEST(InferRequest, BinaryByteCounts) {
  const auto json = [](std::string_view size) {
    return fmt::format(R"({{"inputs":[{{"name":"x","datatype":"FP32","shape":[2],"parameters":{{"binary_data_size":{}}}}}]}})",
                       size);
  };
  const ModelSpec model = echo(ElementType::f32);
  expect_refused(parse_binary(json("4"), "1234", model), "has 4 bytes, FP32 of shape [2] needs 8");
  expect_refused(parse_binary(json("8"), "1234", model), "claims 8 bytes behind the JSON, 4 are left");
  expect_refused(parse_binary(json("8"), "12345678+", model), "1 bytes follow the last tensor");
  expect_refused(parse_binary(json("-8"), "12345678", model), "must be a number of bytes");
  expect_refused(parse_binary(json("8.0"), "12345678", model), "must be a number of bytes");
  expect_refused(parse_binary(json("18446744073709551615"), "12345678", model), "claims 18446744073709551615 bytes");
  expect_refused(parse_infer(json("8"), 4096, model), "Inference-Header-Content-Length is 4096");
  expect_refused(parse_infer(json("8") + "12345678", std::nullopt, model), "not valid JSON");
}

TEST(InferRequest, OutputsAreChosen) {
  const std::string inputs =
      R"("inputs":[{"name":"b","datatype":"INT64","shape":[1],"data":[1]},{"name":"a","datatype":"FP32","shape":[1,2],"data":[1,2]}])";
  const auto outputs = [&](std::string_view rest) { return parse("{" + inputs + std::string(rest) + "}", mixed()); };

  const auto all = outputs(R"(,"parameters":{"binary_data_output":true})");
  ASSERT_TRUE(all.has_value()) << all.error().text();
  ASSERT_EQ(all->outputs.size(), 2U);
  EXPECT_TRUE(all->outputs[0].binary && all->outputs[1].binary);
  EXPECT_EQ(outputs(R"(,"outputs":[])")->outputs.size(), 2U);

  const auto some =
      outputs(R"(,"parameters":{"binary_data_output":true},"outputs":[{"name":"t","parameters":{"binary_data":false}},)"
              R"({"name":"s","parameters":{"classification":3}}])");
  ASSERT_TRUE(some.has_value()) << some.error().text();
  EXPECT_EQ(some->outputs[0].index, 1U);
  EXPECT_FALSE(some->outputs[0].binary);
  EXPECT_TRUE(some->outputs[1].binary);
  EXPECT_EQ(some->outputs[1].classes, 3);

  expect_refused(outputs(R"(,"outputs":[{"name":"u"}])"), "has no output 'u'; it has 's', 't'");
  expect_refused(outputs(R"(,"outputs":[{"name":"s"},{"name":"s"}])"), "asked for twice");
  expect_refused(outputs(R"(,"outputs":{"name":"s"})"), "\"outputs\" must be an array");
  expect_refused(outputs(R"(,"outputs":["s"])"), "object with a string \"name\"");
  expect_refused(outputs(R"(,"outputs":[{"name":"s","parameters":{"binary_data":1}}])"), "must be true or false");
  expect_refused(outputs(R"(,"outputs":[{"name":"s","parameters":{"classification":-1}}])"), "count of classes");
  expect_refused(outputs(R"(,"outputs":[{"name":"t","parameters":{"classification":1}}])"), "cannot be classified");
  expect_refused(outputs(R"(,"outputs":[{"name":"s","parameters":{"shared_memory_region":"r"}}])"), "shared memory",
                 ErrorCode::unsupported);
  expect_refused(outputs(R"(,"parameters":{"triton_x":1})"), "reserved");
  expect_refused(outputs(R"(,"parameters":[])"), "must be an object");
}

TEST(InferRequest, Timeout) {
  const auto with = [](std::string_view timeout) {
    return parse(
        fmt::format(R"({{"parameters":{{"timeout":{}}},"inputs":[{{"name":"x","datatype":"INT8","shape":[0],"data":[]}}]}})",
                    timeout),
        echo(ElementType::i8));
  };
  EXPECT_EQ(with("2500")->timeout, std::chrono::microseconds(2500));
  EXPECT_EQ(with("0")->timeout, std::nullopt);
  EXPECT_EQ(with("18446744073709551615")->timeout, std::chrono::hours(24));
  expect_refused(with("-1"), "number of microseconds");
  expect_refused(with("\"1\""), "number of microseconds");
}

TEST(InferRequest, WrongInputs) {
  const ModelSpec model = echo(ElementType::f32, std::vector<int64_t>{-1, 3});
  const auto input = [&](std::string_view members) { return parse(fmt::format(R"({{"inputs":[{{{}}}]}})", members), model); };
  expect_refused(parse("", model), "not valid JSON at byte 0");
  expect_refused(parse("[]", model), "must be a JSON object");
  expect_refused(parse("{}", model), "needs \"inputs\": an array with 'x'");
  expect_refused(parse(R"({"inputs":{"x":[1]}})", model), "needs \"inputs\"");
  expect_refused(parse(R"({"inputs":[]})", model), "input 'x' (FP32 [-1,3]) is missing");
  expect_refused(parse(R"({"id":7,"inputs":[]})", model), "\"id\" must be a string");
  expect_refused(parse(R"({"inputs":[3]})", model), "object with a string \"name\"");
  expect_refused(input(R"("name":3)"), "object with a string \"name\"");
  expect_refused(input(R"("name":"y")"), "model 'm' has no input 'y'; it has 'x'");
  expect_refused(input(R"("name":"x")"), "has datatype missing, the model expects FP32");
  expect_refused(input(R"("name":"x","datatype":"FP64")"), "has datatype FP64, the model expects FP32");
  expect_refused(input(R"("name":"x","datatype":"FP32")"), "needs a \"shape\"");
  expect_refused(input(R"("name":"x","datatype":"FP32","shape":[1.5,3])"), "integers only");
  expect_refused(input(R"("name":"x","datatype":"FP32","shape":[1,4])"), "has shape [1,4], the model expects [-1,3]");
  expect_refused(input(R"("name":"x","datatype":"FP32","shape":[3])"), "has shape [3], the model expects [-1,3]");
  expect_refused(input(R"("name":"x","datatype":"FP32","shape":[-1,3])"), "impossible shape");
  expect_refused(input(R"("name":"x","datatype":"FP32","shape":[67108864,3])"), "elements");
  expect_refused(input(R"("name":"x","datatype":"FP32","shape":[9223372036854775807,3])"), "impossible shape");
  expect_refused(input(R"("name":"x","datatype":"FP32","shape":[1,3])"), "needs \"data\"");
  expect_refused(input(R"("name":"x","datatype":"FP32","shape":[1,3],"data":5)"), "needs \"data\"");
  expect_refused(input(R"("name":"x","datatype":"FP32","shape":[1,3],"data":[1,2])"), "has 2 elements in \"data\"");
  expect_refused(input(R"("name":"x","datatype":"FP32","shape":[1,3],"data":[],"parameters":{"binary_data_size":12})"), "both");
  expect_refused(input(R"("name":"x","datatype":"FP32","shape":[1,3],"data":3,"parameters":{"binary_data_size":12})"), "both");
  expect_refused(input(R"("name":"x","datatype":"FP32","shape":[1,3],"data":[1,2,3],"data":[1,2,3])"), "stands twice");
  expect_refused(parse(R"({"inputs":[{"name":"x","datatype":"FP32","shape":[0,3],"data":[]},{"name":"x"}]})", model),
                 "given twice");
  expect_refused(parse(R"({"inputs":[],"inp\u0075ts":[]})", model), "stands twice");
  const std::string ranks(200, '1');
  std::string deep = "[1";
  for (int i = 0; i < 40; ++i) deep += ",1";
  expect_refused(parse(ask("FP32", deep + "]", "[1]"), echo(ElementType::f32, std::nullopt)), "has rank 41");
}

TEST(InferRequest, ElementsThatDoNotFit) {
  using E = ElementType;
  const auto refused = [](E type, std::string_view datatype, std::string_view element) {
    expect_refused(parse(ask(datatype, "[1]", fmt::format("[{}]", element)), echo(type)), "cannot hold");
  };
  refused(E::u8, "UINT8", "256");
  refused(E::u8, "UINT8", "-1");
  refused(E::i8, "INT8", "128");
  refused(E::i8, "INT8", "-129");
  refused(E::i32, "INT32", "2147483648");
  refused(E::i64, "INT64", "9223372036854775808");
  refused(E::u64, "UINT64", "-1");
  refused(E::u64, "UINT64", "18446744073709551616");
  refused(E::i32, "INT32", "1.0");
  refused(E::i32, "INT32", "true");
  refused(E::boolean, "BOOL", "2");
  refused(E::f32, "FP32", "null");
  refused(E::f32, "FP32", "\"1\"");
  refused(E::f32, "FP32", "1e39");
  refused(E::f16, "FP16", "65520");
  refused(E::bf16, "BF16", "-3.4e38");
  for (const char* text : {"NaNe-3", "NaN.5", "Infinitye1", "Inf.0"}) refused(E::f32, "FP32", text);
  refused(E::f64, "FP64", "-1.8e308");
  refused(E::string, "BYTES", "1");
  refused(E::string, "BYTES", "false");
  EXPECT_EQ(read<float>(E::f32, "FP32", "[1]", "[3.4028235e38]"), std::vector<float>{std::numeric_limits<float>::max()});
  expect_refused(parse(ask("FP64", "[1]", "[1e999]"), echo(E::f64)), "not valid JSON");
  expect_refused(parse("{\"id\":NaNe-3}", echo(E::f64)), "malformed or out of range");
  expect_refused(parse(ask("FP32", "[1]", "[{}]"), echo(E::f32)), "holds an object");
  expect_refused(parse(ask("BYTES", "[1]", "[\"\xff\"]"), echo(E::string)), "not valid JSON");
}

TEST(InferRequest, Limits) {
  const ModelSpec model = echo(ElementType::f32, std::vector<int64_t>{1});
  const auto nested = [](size_t n) { return std::string(n, '[') + "1" + std::string(n, ']'); };
  const size_t outside = 3;  // the request, "inputs", the input
  EXPECT_TRUE(parse(ask("FP32", "[1]", nested(kMaxJsonDepth - outside)), model).has_value());
  expect_refused(parse(ask("FP32", "[1]", nested(kMaxJsonDepth - outside + 1)), model), "nested deeper than 100");
  expect_refused(parse(nested(1'000'000), model), "nested deeper than 100");
  for (const char* scalar : {"1", "null", "true", "\"\"", "1.5", "[]", "{}"}) {
    std::string many = "{\"parameters\":[";
    for (size_t i = 0; i < kMaxJsonValues; ++i) many += std::string(scalar) + ",";
    expect_refused(parse(many + "1]}", model), "more than 65536 values");
  }
  std::string keys = "{\"parameters\":{";
  for (size_t i = 0; i < kMaxJsonValues; ++i) keys += "\"k\":null,";
  expect_refused(parse(keys + "\"k\":1}}", model), "more than 65536 values");
}

TEST(InferRequest, BareTensor) {
  const auto rows = parse_infer(bytes_of({1.0F, 2.0F, 3.0F, 4.0F}), 0, echo(ElementType::f32, std::vector<int64_t>{-1, 2}));
  ASSERT_TRUE(rows.has_value()) << rows.error().text();
  EXPECT_EQ(rows->inputs[0].tensor()->dims(), (Dims{2, 2}));
  EXPECT_TRUE(rows->outputs[0].binary);
  const auto text = parse_infer(counted("hello"), 0, echo(ElementType::string));
  ASSERT_TRUE(text.has_value()) << text.error().text();
  EXPECT_EQ(values_of<std::string>(text->inputs[0]), std::vector<std::string>{"hello"});

  expect_refused(parse_infer("12345", 0, echo(ElementType::f32)), "has 5 bytes");
  expect_refused(parse_infer("1234", 0, mixed()), "'mix' has 2");
  expect_refused(parse_infer("1234", 0, echo(ElementType::f32, std::nullopt)), "no fixed rank");
  expect_refused(parse_infer("1234", 0, echo(ElementType::f32, std::vector<int64_t>{-1, -1})), "one open extent");
  constexpr int64_t kBig = int64_t{1} << 61;
  expect_refused(parse_infer("1234", 0, echo(ElementType::f64, std::vector<int64_t>{kBig, -1})), "too large");
  expect_refused(parse_infer("1234", 0, echo(ElementType::f64, std::vector<int64_t>{kBig, kBig, -1})), "too large");
}

}  // namespace
}  // namespace slipway::serve
