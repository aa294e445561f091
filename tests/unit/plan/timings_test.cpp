// Timing caches: text in and out, merging, what is refused, what a signature tells apart.
#include "plan/timings.hpp"

#include <gtest/gtest.h>

#include "unit/plan/plans.hpp"

namespace slipway::plan {
namespace {

const TimingPlace kHere{"1.2.3", Isa::avx2, 2};

TimingCache some() {
  TimingCache cache;
  cache.at(kHere).add("Conv|%1 = Conv(%0)|f32[1,8]", "x64.conv", 12.3456);
  cache.at(kHere).add("Conv|%1 = Conv(%0)|f32[1,8]", "x64.winograd4", 7);
  cache.at({"1.2.3", Isa::avx512, 2}).add("Relu|f32[1]", "x64.eltwise", 0.0001);
  return cache;
}

TEST(Timings, TextAndBack) {
  const std::string text = some().text();
  auto again = TimingCache::parse(text);
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ(again->text(), text);
  EXPECT_EQ(again->size(), 3u);
  const Timings& here = again->at(kHere);
  EXPECT_EQ(here.find("Conv|%1 = Conv(%0)|f32[1,8]", "x64.conv"), 12.346) << "nanoseconds";
  EXPECT_EQ(here.least("Conv|%1 = Conv(%0)|f32[1,8]"), 7.0);
  EXPECT_EQ(here.find("Conv|%1 = Conv(%0)|f32[1,8]", "x64.conv_general"), std::nullopt);
  EXPECT_EQ(here.least("Conv|%1 = Conv(%0)|f32[1,9]"), std::nullopt);
  EXPECT_EQ(again->at({"1.2.3", Isa::avx512, 2}).least("Relu|f32[1]"), 0.001);
}

TEST(Timings, PlacesAreApart) {
  TimingCache cache = some();
  for (const TimingPlace& other : {TimingPlace{"1.2.4", Isa::avx2, 2}, {"1.2.3", Isa::avx512_vnni, 2}, {"1.2.3", Isa::avx2, 1}})
    EXPECT_TRUE(cache.at(other).empty());
}

TEST(Timings, MergeTakesTheLesser) {
  TimingCache a = some(), b;
  b.at(kHere).add("Conv|%1 = Conv(%0)|f32[1,8]", "x64.conv", 5);
  b.at(kHere).add("Conv|%1 = Conv(%0)|f32[1,8]", "x64.winograd4", 50);
  b.at(kHere).add("Relu|f32[2]", "x64.eltwise", 3);
  TimingCache ab = a, ba = b;
  ab.merge(b);
  ba.merge(a);
  EXPECT_EQ(ab.text(), ba.text());
  EXPECT_EQ(ab.size(), 4u);
  EXPECT_EQ(ab.at(kHere).find("Conv|%1 = Conv(%0)|f32[1,8]", "x64.conv"), 5.0);
  EXPECT_EQ(ab.at(kHere).find("Conv|%1 = Conv(%0)|f32[1,8]", "x64.winograd4"), 7.0);
  const auto joined = TimingCache::parse(a.text() + b.text());  // as by cat
  ASSERT_TRUE(joined);
  EXPECT_EQ(joined->text(), ab.text());
}

TEST(Timings, BadTextIsRefusedByLine) {
  const std::string head = "slipway timings 1\n";
  const auto refused = [&](const std::string& text, std::string_view word) {
    const auto cache = TimingCache::parse(text);
    ASSERT_FALSE(cache) << text;
    EXPECT_NE(cache.error().text().find(word), std::string::npos) << cache.error().text();
  };
  refused("timings\n", "not a timing cache");
  refused("1.0 avx2 1 a 5 Relu\n", "not a timing cache");
  refused(head + "\n1.0 avx2 1 a 5 Relu\n1.0 avx9 1 a 5 Relu\n", "line 4");
  refused(head + "1.0 avx2 0 a 5 Relu\n", "threads");
  refused(head + "1.0 avx2 99999999999999999999 a 5 Relu\n", "threads");
  for (const char* us : {"x", "", "-1", "0", "nan", "inf", "1e99", "5us"}) {
    refused(head + "1.0 avx2 1 a " + us + " Relu\n", "microseconds");
  }
  refused(head + "1.0 avx2 1 a 5\n", "missing");
  refused(head + "1.0 avx2 1 a 5 Re\x01lu\n", "control");
  refused(head + "1.0 avx2 1 a 5 " + std::string(TimingCache::kMaxLine, 'x') + "\n", "too long");
  refused(head + std::string(1, '\0') + "\n", "control");
}

TEST(Timings, EmptyFilesAndWhatCannotBeWritten) {
  EXPECT_EQ(TimingCache::parse("")->size(), 0u);
  EXPECT_EQ(TimingCache::parse("slipway timings 1")->size(), 0u);
  TimingCache cache;
  cache.at(kHere).add("line\nbreak", "a", 1);
  cache.at(kHere).add(std::string(TimingCache::kMaxLine, 'x'), "a", 1);
  EXPECT_EQ(TimingCache::parse(cache.text())->size(), 0u);
}

/// Of the only node.
std::string signature_in(std::string_view text, tactic::Format format = tactic::Format::plain) {
  const ir::Graph graph = graph_of(text);
  const ir::Node& node = graph.node(0);
  std::vector<tactic::TensorDesc> inputs, outputs;
  const auto describe = [&](ir::ValueId v) {
    const ir::ValueInfo& info = graph.value(v);
    return tactic::TensorDesc{info.fact.type, info.fact.dims(), format, info.is_constant() ? &info.constant : nullptr, info.name};
  };
  for (const ir::ValueId v : node.inputs) inputs.push_back(describe(v));
  for (const ir::ValueId v : node.outputs) outputs.push_back(describe(v));
  const PlanOptions options = portable_options();
  return signature({node, inputs, outputs, options.machine, options.tactics});
}

TEST(Timings, SignaturesTellApartWhatRunsOtherwise) {
  const std::string base =
      signature_in("input %x: f32[1,8,6,6]\n%w = const f32[8,8,3,3] random(1)\n%y = Conv(%x, %w)\noutput %y");
  EXPECT_EQ(base, signature_in("input %in: f32[1,8,6,6]\n%k = const f32[8,8,3,3] random(2)\n%z = Conv(%in, %k)\noutput %z"))
      << "names and values do not matter";
  EXPECT_EQ(base.find('\n'), std::string::npos);
  for (const char* other : {
           "input %x: f32[1,8,6,7]\n%w = const f32[8,8,3,3] random(1)\n%y = Conv(%x, %w)\noutput %y",
           "input %x: f32[1,8,6,6]\ninput %w: f32[8,8,3,3]\n%y = Conv(%x, %w)\noutput %y",
           "input %x: f32[1,8,6,6]\n%w = const f32[8,8,3,3] random(1)\n%y = Conv(%x, %w) {strides=[2, 1]}\noutput %y",
           "input %x: f64[1,8,6,6]\n%w = const f64[8,8,3,3] random(1)\n%y = Conv(%x, %w)\noutput %y",
       }) {
    EXPECT_NE(base, signature_in(other)) << other;
  }
  EXPECT_NE(base, signature_in("input %x: f32[1,8,6,6]\n%w = const f32[8,8,3,3] random(1)\n%y = Conv(%x, %w)\noutput %y",
                               tactic::Format::blocked16));
}

}  // namespace
}  // namespace slipway::plan
