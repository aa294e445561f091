// The JSON of metadata, configuration, statistics, index and errors.
#include <gtest/gtest.h>

#include "serve/codec/json.hpp"
#include "serve/codec/metadata.hpp"
#include "specs.hpp"

namespace slipway::serve {
namespace {

TEST(Metadata, Model) {
  EXPECT_EQ(render_model(mixed()),
            R"({"name":"mix","versions":["3"],"platform":"slipway",)"
            R"("inputs":[{"name":"a","datatype":"FP32","shape":[-1,2]},{"name":"b","datatype":"INT64","shape":[1]}],)"
            R"("outputs":[{"name":"s","datatype":"FP32","shape":[-1,2]},{"name":"t","datatype":"BYTES","shape":[-1]}]})");
}

TEST(Metadata, Server) {
  const auto document = parse_json(render_server("1.2.3"));
  ASSERT_TRUE(document.has_value());
  EXPECT_STREQ((*document)["name"].GetString(), "slipway");
  EXPECT_STREQ((*document)["version"].GetString(), "1.2.3");
  EXPECT_TRUE((*document)["extensions"].IsArray());
}

TEST(Metadata, Config) {
  const auto document = parse_json(render_config(mixed(), 4));
  ASSERT_TRUE(document.has_value());
  const auto& config = *document;
  EXPECT_EQ(config["max_batch_size"].GetInt(), 0);
  EXPECT_EQ(config["instance_group"][0]["count"].GetInt(), 4);
  EXPECT_STREQ(config["instance_group"][0]["kind"].GetString(), "KIND_CPU");
  EXPECT_STREQ(config["input"][0]["data_type"].GetString(), "TYPE_FP32");
  EXPECT_EQ(config["input"][0]["dims"][0].GetInt(), -1);
  EXPECT_STREQ(config["output"][1]["data_type"].GetString(), "TYPE_STRING");
}

TEST(Metadata, Statistics) {
  const ModelSpec model = mixed();
  Statistics statistics;
  statistics.last_inference_ms = 1'700'000'000'000;
  statistics.success.add(2000);
  statistics.success.add(3000);
  statistics.fail.add(7);
  statistics.compute_infer.add(1500);
  const NamedStatistics one{&model, statistics};
  const auto document = parse_json(render_statistics(std::span(&one, 1)));
  ASSERT_TRUE(document.has_value());
  const auto& stats = (*document)["model_stats"][0];
  EXPECT_STREQ(stats["version"].GetString(), "3");
  EXPECT_EQ(stats["last_inference"].GetUint64(), 1'700'000'000'000U);
  EXPECT_EQ(stats["inference_count"].GetUint64(), 2U);
  EXPECT_EQ(stats["inference_stats"]["success"]["ns"].GetUint64(), 5000U);
  EXPECT_EQ(stats["inference_stats"]["fail"]["count"].GetUint64(), 1U);
  EXPECT_EQ(stats["inference_stats"]["cache_hit"]["count"].GetUint64(), 0U);
  EXPECT_EQ(stats["batch_stats"][0]["compute_infer"]["ns"].GetUint64(), 1500U);
}

TEST(Metadata, ErrorsAreEscaped) {
  EXPECT_EQ(render_error("no \"x\"\n\x01"), R"({"error":"no \"x\"\n\u0001"})");
}

TEST(Metadata, NamesOfTypes) {
  for (int i = 0; i < kElementTypeCount; ++i) {
    const auto type = static_cast<ElementType>(i);
    const std::string_view name = datatype_name(type);
    if (name.empty()) continue;
    EXPECT_EQ(config_type_name(type).substr(5), type == ElementType::string ? "STRING" : name);
  }
  EXPECT_EQ(datatype_name(ElementType::u4), "");
  EXPECT_EQ(datatype_name(ElementType::c64), "");
  EXPECT_EQ(datatype_name(ElementType::bf16), "BF16");
}

}  // namespace
}  // namespace slipway::serve
