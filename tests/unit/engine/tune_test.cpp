// Tuning: rivals are measured, what is known is not measured again, and an engine keeps to its choices.
#include "engine/tune.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "engine/engine.hpp"
#include "ir/text.hpp"
#include "ops/registry.hpp"

namespace slipway::engine {
namespace {

constexpr std::string_view kNet = R"(
  input %x: f32[N,32,12,12]
  %w = const f32[32,32,3,3] random(1)
  %a = Conv(%x, %w) {pads=[1, 1, 1, 1]}
  %b = Relu(%a)
  %c = Conv(%b, %w) {pads=[1, 1, 1, 1]}
  output %c
)";

std::shared_ptr<Engine> make_net() {
  auto graph = ir::parse(kNet, ops::lookup);
  EXPECT_TRUE(graph) << graph.error().text();
  Options options;
  options.threads = 1;
  auto engine = Engine::from_graph(std::move(*graph), options);
  EXPECT_TRUE(engine) << engine.error().text();
  return *engine;
}

std::vector<ir::Value> example(int64_t batch = 1) {
  Tensor t(ElementType::f32, {batch, 32, 12, 12});
  for (int64_t i = 0; i < t.count(); ++i) t.as<float>()[i] = static_cast<float>(i % 17) - 8;
  return {ir::Value(t)};
}

using Winners = std::map<uint64_t, std::string>;

Winners winners(const plan::Choices& choices) {
  Winners out;
  for (const auto& [key, choice] : choices) out[key] = choice.winner() == nullptr ? "" : choice.winner()->tactic;
  return out;
}

/// The tactics of a run.
std::vector<std::string> tactics_of(const Engine& engine, int64_t batch = 1) {
  std::vector<std::shared_ptr<const plan::Plan>> plans;
  runtime::RunOptions run;
  run.plans = &plans;
  std::vector<ir::Value> outputs;
  EXPECT_TRUE(engine.session()->run(example(batch), outputs, run));
  std::vector<std::string> out;
  for (const auto& plan : plans) {
    for (const plan::Step& step : plan->steps) out.emplace_back(step.tactic);
  }
  return out;
}

bool has_rivals() {
  return detected_isa() >= Isa::avx2;
}

TEST(Tuning, WhatIsKnownIsNotMeasuredAgain) {
  if (!has_rivals()) GTEST_SKIP() << "one tactic a node";
  plan::TimingCache cache;
  const auto first = make_net()->tune(example(), {}, cache);
  ASSERT_TRUE(first) << first.error().text();
  EXPECT_GT(first->measured, 2u);
  auto shipped = plan::TimingCache::parse(cache.text());
  ASSERT_TRUE(shipped) << shipped.error().text();
  const auto again = make_net()->tune(example(), {}, *shipped);
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ(again->measured, 0u);
  EXPECT_GT(again->known, 2u);
  EXPECT_EQ(winners(again->choices), winners(first->choices));
  EXPECT_EQ(shipped->text(), cache.text());
}

/// A cache that makes `tactic` the fastest at every node that measurements know.
plan::TimingCache in_favour_of(std::string_view tactic) {
  plan::TimingCache cache;
  EXPECT_TRUE(make_net()->tune(example(), {}, cache));
  std::string text = cache.text(), out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    std::string line = text.substr(at, end - at);
    at = end + 1;
    const size_t word = line.find(" " + std::string(tactic) + " ");
    if (word != std::string::npos) {
      const size_t us = word + tactic.size() + 2;
      line.replace(us, line.find(' ', us) - us, "0.001");
    }
    if (line.find(" Model|") == std::string::npos) out += line + "\n";
  }
  auto parsed = plan::TimingCache::parse(out);
  EXPECT_TRUE(parsed) << parsed.error().text();
  return *parsed;
}

TEST(Tuning, TheEngineKeepsItsChoicesAndTheLosersTimes) {
  if (!has_rivals()) GTEST_SKIP() << "one tactic a node";
  const std::string path = testing::TempDir() + "tuned_test.slip";
  for (const std::string tactic : {"x64.conv", "x64.winograd4"}) {
    plan::TimingCache cache = in_favour_of(tactic);
    const auto engine = make_net();
    const auto report = engine->tune(example(), {}, cache);
    ASSERT_TRUE(report) << report.error().text();
    const std::vector<std::string> tuned = tactics_of(*engine);
    EXPECT_EQ(tactics_of(*engine, 3), tuned) << "the same for every batch";
    ASSERT_TRUE(engine->save(path, example()));
    Options options;
    options.threads = 1;
    const auto loaded = Engine::load(path, options);
    ASSERT_TRUE(loaded) << loaded.error().text();
    EXPECT_EQ(tactics_of(**loaded), tuned);
    EXPECT_EQ(tactics_of(**loaded, 3), tuned);
    options.explain = true;
    const auto explained = Engine::load(path, options);
    std::vector<std::shared_ptr<const plan::Plan>> plans;
    runtime::RunOptions run;
    run.plans = &plans;
    std::vector<ir::Value> outputs;
    ASSERT_TRUE((*explained)->session()->run(example(), outputs, run));
    size_t measured = 0;
    for (const plan::Choice& choice : plans.front()->choices) {
      for (const plan::Choice::Candidate& c : choice.candidates) measured += c.measured_us > 0 ? 1 : 0;
    }
    EXPECT_GT(measured, 2u);
  }
  std::filesystem::remove(path);
}

TEST(Tuning, InputsThatDoNotFitAreAnError) {
  plan::TimingCache cache;
  const auto report = make_net()->tune({}, {}, cache);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace slipway::engine
