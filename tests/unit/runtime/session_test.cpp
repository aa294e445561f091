// Sessions: answers, refusals, caller's buffers, cancellation, deadlines, many at once, changing shapes.
#include "runtime/session.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "unit/plan/plans.hpp"

namespace slipway::runtime {
namespace {

using namespace std::chrono_literals;

class Sessions : public testing::Test {
 protected:
  void use(std::string_view text, plan::PlanOptions options = plan::portable_options()) {
    graph_ = std::make_shared<const ir::Graph>(plan::graph_of(text));
    cache_ = std::make_shared<PlanCache>(std::move(options));
  }
  Session session(int threads = 1) { return Session(graph_, cache_, threads); }

  static Tensor ramp(const Dims& dims) {
    Tensor t(ElementType::f32, dims);
    for (int64_t i = 0; i < dims.count(); ++i) t.as<float>()[i] = static_cast<float>(i) - 3;
    return t;
  }

  std::shared_ptr<const ir::Graph> graph_;
  std::shared_ptr<PlanCache> cache_;
};

constexpr std::string_view kScaleAndShift = R"(
  input %x: f32[N,4]
  %k = const f32[4]{1, 2, 3, 4}
  %a = Mul(%x, %k)
  %y = Add(%a, %k)
  output %y
)";

void expect_scaled(const Tensor& x, const Tensor& y) {
  ASSERT_EQ(y.dims(), x.dims());
  for (int64_t i = 0; i < x.count(); ++i) {
    const auto k = static_cast<float>(i % 4 + 1);
    EXPECT_EQ(y.as<float>()[i], x.as<float>()[i] * k + k);
  }
}

TEST_F(Sessions, ShapesComeAndGo) {
  use(kScaleAndShift);
  Session s = session();
  std::vector<ir::Value> outputs;
  for (const int64_t rows : {1, 7, 2, 7, 100, 1, 0}) {
    const std::vector inputs{ir::Value(ramp({rows, 4}))};
    const Status done = s.run(inputs, outputs);
    ASSERT_TRUE(done) << done.error().text();
    expect_scaled(*inputs[0].tensor(), *outputs[0].tensor());
    outputs.clear();
  }
}

TEST_F(Sessions, CallersBuffersAreFilledInPlace) {
  use(kScaleAndShift);
  Session s = session();
  const std::vector inputs{ir::Value(ramp({2, 4}))};
  Tensor own(ElementType::f32, {2, 4});
  std::vector outputs{ir::Value(own)};
  ASSERT_TRUE(s.run(inputs, outputs));
  expect_scaled(*inputs[0].tensor(), own);
  std::vector wrong{ir::Value(Tensor(ElementType::f32, {3, 4}))};
  ASSERT_TRUE(s.run(inputs, wrong));
  EXPECT_EQ(wrong[0].tensor()->dims(), (Dims{2, 4})) << "a buffer of other extents is replaced";
}

TEST_F(Sessions, RefusalsSayWhatWasExpected) {
  use(kScaleAndShift);
  Session s = session();
  std::vector<ir::Value> outputs;
  const auto refused = [&](std::vector<ir::Value> inputs, std::string_view word) {
    const Status done = s.run(inputs, outputs);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, ErrorCode::invalid_argument);
    EXPECT_NE(done.error().text().find(word), std::string::npos) << done.error().text();
  };
  refused({}, "1 inputs");
  refused({ir::Value(ramp({2, 5}))}, "'x'");
  refused({ir::Value(Tensor(ElementType::f64, {2, 4}))}, "f64");
  refused({ir::Value()}, "'x'");
}

TEST_F(Sessions, CancelledBeforeAndDuring) {
  use("input %x: f32[4]\n%a = Exp(%x)\n%b = Neg(%a)\n%c = Relu(%b)\noutput %c", [] {
    plan::PlanOptions options = plan::portable_options();
    options.keep_values = true;  // for the tap that cancels midway
    return options;
  }());
  Session s = session();
  const std::vector inputs{ir::Value(ramp({4}))};
  std::vector<ir::Value> outputs;
  std::atomic<bool> cancel{true};
  RunOptions options;
  options.cancel = &cancel;
  EXPECT_EQ(s.run(inputs, outputs, options).error().code, ErrorCode::cancelled);
  cancel = false;
  int steps = 0;
  options.tap = [&](const std::string&, const Tensor&) { cancel = ++steps == 2; };
  EXPECT_EQ(s.run(inputs, outputs, options).error().code, ErrorCode::cancelled);
  EXPECT_EQ(steps, 2);
  options = {};
  EXPECT_TRUE(s.run(inputs, outputs, options)) << "the session goes on";
}

TEST_F(Sessions, Deadline) {
  use(kScaleAndShift);
  Session s = session();
  const std::vector inputs{ir::Value(ramp({4, 4}))};
  std::vector<ir::Value> outputs;
  RunOptions options;
  options.deadline = std::chrono::steady_clock::now() - 1ms;
  EXPECT_EQ(s.run(inputs, outputs, options).error().code, ErrorCode::deadline);
  options.deadline = std::chrono::steady_clock::now() + 1h;
  EXPECT_TRUE(s.run(inputs, outputs, options));
}

TEST_F(Sessions, ProfileHasEveryStep) {
  use(kScaleAndShift);
  Session s = session();
  const std::vector inputs{ir::Value(ramp({4, 4}))};
  std::vector<ir::Value> outputs;
  std::vector<StepTime> times;
  std::vector<std::shared_ptr<const plan::Plan>> plans;
  RunOptions options;
  options.profile = &times;
  options.plans = &plans;
  ASSERT_TRUE(s.run(inputs, outputs, options));
  ASSERT_EQ(plans.size(), 1u);
  ASSERT_EQ(times.size(), plans[0]->steps.size());
  for (const StepTime& t : times) EXPECT_GE(t.us, 0);
}

TEST_F(Sessions, DataDependentExtents) {
  use(R"(
    input %x: f32[?]
    %i = NonZero(%x)
    %f = Cast(%i) {to=f32}
    %y = Neg(%f)
    output %y
  )");
  Session s = session();
  for (const int64_t n : {1, 4, 9}) {
    std::vector<ir::Value> outputs;
    const std::vector inputs{ir::Value(ramp({n}))};
    const Status done = s.run(inputs, outputs);
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_EQ(outputs[0].tensor()->dims(), (Dims{1, n > 3 ? n - 1 : n}));
  }
}

TEST_F(Sessions, LoopsRunTheirBodies) {
  use(R"(
    input %n: i64[]
    input %x: f32[3]
    %go = const bool[]{1}
    %y = Loop(%n, %go, %x) {body=graph {
      input %i: i64[]
      input %c: bool[]
      input %v: f32[3]
      %d = Add(%v, %v)
      %k = Identity(%c)
      output %k
      output %d
    }}
    output %y
  )");
  Session s = session();
  std::vector<ir::Value> outputs;
  const std::vector inputs{ir::Value(Tensor::scalar(int64_t{5})), ir::Value(ramp({3}))};
  const Status done = s.run(inputs, outputs);
  ASSERT_TRUE(done) << done.error().text();
  EXPECT_EQ(outputs[0].tensor()->as<float>()[0], -3 * 32);
}

TEST_F(Sessions, FaultsNameTheNode) {
  use("input %i: i64[2]\n%t = const f32[3]{1, 2, 3}\n%y = Gather(%t, %i) @lookup\noutput %y");
  Session s = session();
  std::vector<ir::Value> outputs;
  const Tensor indices = Tensor::vector(std::array<int64_t, 2>{0, 3});
  const Status done = s.run(std::vector{ir::Value(indices)}, outputs);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::data_fault);
  EXPECT_NE(done.error().text().find("lookup"), std::string::npos);
  ASSERT_TRUE(s.run(std::vector{ir::Value(Tensor::vector(std::array<int64_t, 2>{0, 2}))}, outputs));
}

TEST_F(Sessions, ManyAtOnceShareTheirPlans) {
  plan::PlanOptions machine = plan::portable_options();
  machine.machine.isa = detected_isa();
  machine.machine.threads = 2;
  use(R"(
    input %x: f32[N,64]
    %w = const f32[64,64] random(1)
    %a = MatMul(%x, %w)
    %b = Relu(%a)
    %s = Softmax(%b)
    output %s
  )",
      machine);
  std::vector<Tensor> expected;
  const std::vector<int64_t> rows{1, 5, 33};
  for (const int64_t n : rows) {
    Session s = session();
    std::vector<ir::Value> outputs;
    ASSERT_TRUE(s.run(std::vector{ir::Value(ramp({n, 64}))}, outputs));
    expected.push_back(*outputs[0].tensor());
  }
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&, t] {
      Session s = session(1 + t % 2);
      for (int i = 0; i < 60; ++i) {
        const size_t which = static_cast<size_t>(i + t) % rows.size();
        std::vector<ir::Value> outputs;
        if (!s.run(std::vector{ir::Value(ramp({rows[which], 64}))}, outputs) || !outputs[0].tensor()->same_bytes(expected[which]))
          ++wrong;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(cache_->size(), rows.size());
}

}  // namespace
}  // namespace slipway::runtime
