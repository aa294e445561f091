// The cheapest tactic that accepts wins, earlier ones break ties, and choices made before are kept to.
#include "plan/choose.hpp"

#include <gtest/gtest.h>

#include "ops/registry.hpp"
#include "plan/timings.hpp"

namespace slipway::plan {
namespace {

using tactic::Query;
using tactic::Verdict;

template <int kCost>
Verdict costs(const Query&) {
  return Verdict::yes(kCost, "costs");
}
Verdict refuses(const Query&) {
  return Verdict::no("not today");
}
Verdict wants_blocked(const Query&) {
  Verdict verdict = Verdict::yes(1, "blocked");
  verdict.inputs = {tactic::Format::blocked16};
  return verdict;
}

class Choosing : public testing::Test {
 protected:
  Choosing() {
    node_.op = ops::lookup("", "Relu");
    node_.name = "act";
    options_.tactic_list = &tactics_;
  }
  Chosen pick(Choice* record = nullptr) { return choose(query(), options_, record); }
  Query query() const { return {node_, std::span(&desc_, 1), std::span(&desc_, 1), options_.machine, options_.tactics}; }
  void add(std::string_view name, Verdict (*judge)(const Query&), Isa isa = Isa::portable, std::string_view op = "Relu") {
    tactics_.push_back({name, isa, {op}, judge, nullptr});
  }

  ir::Node node_;
  tactic::TensorDesc desc_{ElementType::f32, {1, 32, 100, 100}, tactic::Format::plain, nullptr, "x"};
  tactic::TacticList tactics_;
  PlanOptions options_;
};

TEST_F(Choosing, NobodyAccepts) {
  add("a", refuses);
  EXPECT_EQ(pick().tactic, nullptr);
}

TEST_F(Choosing, CheapestWinsAndOrderBreaksTies) {
  add("a", costs<20>);
  add("b", costs<10>);
  add("c", costs<10>);
  add("ref", costs<0>);
  EXPECT_EQ(pick().tactic->name, "b");
}

TEST_F(Choosing, TheReferenceIsLast) {
  add("ref", costs<0>);
  add("a", costs<100000>);
  EXPECT_EQ(pick().tactic->name, "a");
  options_.references_only = true;
  EXPECT_EQ(pick().tactic->name, "ref");
}

TEST_F(Choosing, OthersAreNotAsked) {
  add("needs more", costs<1>, Isa::avx512);
  add("another operator", costs<1>, Isa::portable, "Conv");
  add("any", costs<50>, Isa::portable, "*");
  EXPECT_EQ(pick().tactic->name, "any");
}

TEST_F(Choosing, ReordersCount) {
  add("blocked", wants_blocked);
  add("plain", costs<2>);
  EXPECT_EQ(pick().tactic->name, "plain");
  desc_.format = tactic::Format::blocked16;
  add("plain again", costs<1>);
  EXPECT_EQ(pick().tactic->name, "blocked");
}

TEST_F(Choosing, SameBytesNeedNoReorder) {
  using tactic::Format;
  EXPECT_TRUE(same_bytes({1, 32, 1, 1}, Format::plain, Format::blocked16));
  EXPECT_FALSE(same_bytes({1, 30, 1, 1}, Format::plain, Format::blocked16));
  EXPECT_FALSE(same_bytes({1, 32, 2, 1}, Format::plain, Format::blocked16));
  EXPECT_TRUE(same_bytes({4, 1, 9, 9}, Format::plain, Format::channels_last));
  EXPECT_FALSE(same_bytes({4, 2, 9, 9}, Format::plain, Format::channels_last));
}

TEST_F(Choosing, ForcedWhereItAccepts) {
  add("a", costs<1>);
  add("b", costs<9>);
  options_.forced_tactic = "b";
  EXPECT_EQ(pick().tactic->name, "b");
  options_.forced_tactic = "absent";
  EXPECT_EQ(pick().tactic->name, "a");
}

TEST_F(Choosing, MeasurementsStandForEstimates) {
  add("a", costs<1>);
  add("b", costs<9>);
  add("c", costs<2>);
  add("ref", costs<0>);
  Timings timings;
  options_.timings = &timings;
  EXPECT_EQ(pick().tactic->name, "a") << "nothing is known";
  timings.add(signature(query()), "b", 30);
  EXPECT_EQ(pick().tactic->name, "b") << "an estimate does not beat a measurement";
  timings.add(signature(query()), "c", 20);
  Choice record;
  EXPECT_EQ(pick(&record).tactic->name, "c");
  EXPECT_EQ(record.candidates[1].measured_us, 30);
  EXPECT_EQ(record.candidates[0].measured_us, 0);
  desc_.dims[2] = 99;
  EXPECT_EQ(pick().tactic->name, "a") << "another shape";
}

TEST_F(Choosing, ReordersAreMeasuredToo) {
  desc_.format = tactic::Format::plain;
  add("blocked", wants_blocked);
  add("plain", costs<2>);
  Timings timings;
  options_.timings = &timings;
  timings.add(signature(query()), "blocked", 10);
  timings.add(signature(query()), "plain", 15);
  timings.add(reorder_signature(desc_, tactic::Format::blocked16), "portable.reorder", 8);
  EXPECT_EQ(pick().tactic->name, "plain");
  timings.add(reorder_signature(desc_, tactic::Format::blocked16), "portable.reorder", 3);
  EXPECT_EQ(pick().tactic->name, "blocked");
}

TEST_F(Choosing, ATrialTakesWhatItIsToldWhereThatAccepts) {
  add("a", costs<1>);
  add("b", costs<9>);
  add("c", refuses);
  std::map<std::string, std::string> trial{{signature(query()), "b"}};
  options_.trial = &trial;
  EXPECT_EQ(pick().tactic->name, "b");
  trial.begin()->second = "c";
  EXPECT_EQ(pick().tactic->name, "a");
}

TEST_F(Choosing, AChoiceHoldsForEveryBatch) {
  const uint64_t key = choice_key(query());
  desc_.dims[0] = 8;
  EXPECT_EQ(choice_key(query()), key);
  desc_.dims[1] = 64;
  EXPECT_NE(choice_key(query()), key);
}

TEST_F(Choosing, HasTactic) {
  add("a", refuses);
  add("ref", costs<1>);
  EXPECT_FALSE(has_tactic(query(), options_));
  add("b", costs<1>);
  EXPECT_TRUE(has_tactic(query(), options_));
  options_.references_only = true;
  EXPECT_FALSE(has_tactic(query(), options_));
}

TEST_F(Choosing, RecordTellsAll) {
  add("a", costs<7>);
  add("b", refuses);
  Choice record;
  pick(&record);
  ASSERT_EQ(record.candidates.size(), 2u);
  EXPECT_EQ(record.key, choice_key(query()));
  EXPECT_EQ(record.winner()->tactic, "a");
  EXPECT_DOUBLE_EQ(record.candidates[0].cost_us, 7);
  EXPECT_EQ(record.candidates[1].text, "not today");
}

TEST_F(Choosing, KeepsToAChoiceMadeBefore) {
  add("a", costs<1>);
  add("b", costs<9>);
  Choice made{choice_key(query()), "act", "Relu", "", {{"b", true, 9, 0.5, "", true}, {"a", true, 1, 0.7, "", false}}};
  const Choices choices{{made.key, made}};
  options_.made = &choices;
  EXPECT_EQ(pick().tactic->name, "b");
  Choice record;
  EXPECT_EQ(pick(&record).tactic->name, "b");
  EXPECT_DOUBLE_EQ(record.candidates[0].measured_us, 0.7) << "what was measured stays known";
  desc_.dims[2] = 2;
  EXPECT_EQ(pick().tactic->name, "a") << "the choice was for other extents";
}

TEST_F(Choosing, AChoiceThatNoLongerAcceptsIsMadeAnew) {
  add("a", costs<1>);
  add("b", refuses);
  Choice made{choice_key(query()), "act", "Relu", "", {{"b", true, 9, 0, "", true}}};
  const Choices choices{{made.key, made}};
  options_.made = &choices;
  EXPECT_EQ(pick().tactic->name, "a");
}

TEST_F(Choosing, TheKeyHasEverythingThatMatters) {
  const uint64_t key = choice_key(query());
  const auto differs = [&] { return choice_key(query()) != key; };
  desc_.type = ElementType::f16;
  EXPECT_TRUE(differs());
  desc_.type = ElementType::f32;
  desc_.format = tactic::Format::blocked16;
  EXPECT_TRUE(differs());
  desc_.format = tactic::Format::plain;
  node_.name = "act2";
  EXPECT_TRUE(differs());
  node_.name = "act";
  EXPECT_EQ(choice_key(query()), key);
}

}  // namespace
}  // namespace slipway::plan
