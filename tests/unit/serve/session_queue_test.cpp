// The queue: its bound, deadlines, those that left, failures, the end.
#include <gtest/gtest.h>

#include <future>

#include "engines.hpp"

namespace slipway::serve {
namespace {

class SessionQueueTest : public testing::Test {
 protected:
  void start(int sessions, size_t capacity) {
    queue_ =
        std::make_unique<SessionQueue>(*engine_, model_, metrics_.add_model("double", "1", 0), QueueOptions{sessions, capacity});
  }

  std::future<Result<InferReply>> push(Job job) {
    auto promise = std::make_shared<std::promise<Result<InferReply>>>();
    job.done = [promise](Result<InferReply> reply) { promise->set_value(std::move(reply)); };
    const Status taken = queue_->push(std::move(job));
    if (!taken) promise->set_value(taken.error());
    return promise->get_future();
  }
  std::future<Result<InferReply>> push(float value) {
    Job job;
    job.request = doubler_request(value);
    return push(std::move(job));
  }
  /// Keeps one session busy until the gate opens.
  void occupy(Gate& gate) {
    Gate inside;
    Job job;
    job.request = doubler_request(0);
    job.done = [&](const Result<InferReply>&) {
      inside.open();
      gate.pass();
    };
    ASSERT_TRUE(queue_->push(std::move(job)).has_value());
    inside.pass();
  }
  double failures(const std::string& reason) {
    const std::string text = metrics_.text(), key = "nv_inference_request_failure{model=\"double\",reason=\"" + reason;
    const size_t at = text.find(key);
    return at == std::string::npos ? -1 : std::stod(text.substr(text.find(' ', at)));
  }

  std::shared_ptr<engine::Engine> engine_ = doubler();
  ModelSpec model_ = doubler_spec();
  Metrics metrics_;
  std::unique_ptr<SessionQueue> queue_;
};

ErrorCode code_of(std::future<Result<InferReply>> reply) {
  const Result<InferReply> got = reply.get();
  return got ? ErrorCode::internal : got.error().code;
}

TEST_F(SessionQueueTest, Answers) {
  start(2, 8);
  const Result<InferReply> reply = push(3).get();
  ASSERT_TRUE(reply.has_value()) << reply.error().text();
  EXPECT_NE(reply->body.find("\"data\":[6]"), std::string::npos) << reply->body;
  const Statistics statistics = queue_->statistics();
  EXPECT_EQ(statistics.success.count, 1U);
  EXPECT_GT(statistics.last_inference_ms, 0U);
  EXPECT_EQ(queue_->sessions(), 2);
}

TEST_F(SessionQueueTest, IsBounded) {
  start(1, 2);
  Gate gate;
  occupy(gate);
  auto first = push(1), second = push(2), third = push(3);
  EXPECT_EQ(code_of(std::move(third)), ErrorCode::unavailable);
  EXPECT_EQ(failures("REJECTED"), 1);
  EXPECT_EQ(queue_->statistics().fail.count, 1U);
  gate.open();
  EXPECT_TRUE(first.get().has_value());
  EXPECT_TRUE(second.get().has_value());
  EXPECT_TRUE(push(4).get().has_value());
}

TEST_F(SessionQueueTest, AnswersInOrder) {
  start(1, 64);
  Gate gate;
  occupy(gate);
  std::vector<float> order;
  std::promise<void> last;
  for (int i = 0; i < 50; ++i) {
    Job job;
    job.request = doubler_request(0);
    job.done = [&, i](const Result<InferReply>&) {
      order.push_back(static_cast<float>(i));
      if (i == 49) last.set_value();
    };
    ASSERT_TRUE(queue_->push(std::move(job)).has_value());
  }
  gate.open();
  last.get_future().get();
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST_F(SessionQueueTest, ATimeoutCountsTheWait) {
  start(1, 2);
  Gate gate;
  occupy(gate);
  Job job;
  job.request = doubler_request(1);
  job.request.timeout = std::chrono::microseconds(1);
  auto late = push(std::move(job));
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  gate.open();
  EXPECT_EQ(code_of(std::move(late)), ErrorCode::deadline);
  EXPECT_EQ(failures("REJECTED"), 1);
}

TEST_F(SessionQueueTest, WhoLeftIsNotWorkedFor) {
  start(1, 2);
  Gate gate;
  occupy(gate);
  const auto gone = std::make_shared<std::atomic<bool>>(false);
  Job job;
  job.request = doubler_request(1);
  job.abandoned = gone;
  auto left = push(std::move(job));
  *gone = true;
  gate.open();
  EXPECT_EQ(code_of(std::move(left)), ErrorCode::cancelled);
  EXPECT_EQ(failures("CANCELED"), 1);
  EXPECT_EQ(queue_->statistics().success.count, 1U);
}

TEST_F(SessionQueueTest, AFullQueueLetsGoOfThoseThatWaitInVain) {
  start(1, 3);
  Gate gate;
  occupy(gate);
  const auto gone = std::make_shared<std::atomic<bool>>(true);
  std::vector<std::future<Result<InferReply>>> vain;
  auto kept = push(1);
  for (int i = 0; i < 2; ++i) {
    Job job;
    job.request = doubler_request(2);
    if (i == 0) job.abandoned = gone;
    if (i == 1) job.request.timeout = std::chrono::microseconds(1);
    vain.push_back(push(std::move(job)));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  auto fresh = push(3);
  EXPECT_EQ(code_of(std::move(vain[0])), ErrorCode::cancelled);  // answered while the session is still busy
  EXPECT_EQ(code_of(std::move(vain[1])), ErrorCode::deadline);
  gate.open();
  EXPECT_TRUE(kept.get().has_value());
  EXPECT_TRUE(fresh.get().has_value());
}

TEST_F(SessionQueueTest, AFailureIsToldAndCounted) {
  start(1, 2);
  Job job;
  job.request = doubler_request(1);
  job.request.inputs.clear();
  EXPECT_EQ(code_of(push(std::move(job))), ErrorCode::invalid_argument);
  EXPECT_EQ(failures("BACKEND"), 1);
  EXPECT_TRUE(push(2).get().has_value());
}

TEST_F(SessionQueueTest, TheEndAnswersWhatWaits) {
  start(1, 64);
  Gate gate;
  occupy(gate);
  std::vector<std::future<Result<InferReply>>> replies;
  for (int i = 0; i < 20; ++i) replies.push_back(push(1));
  std::thread ending([&] { queue_.reset(); });
  gate.open();
  ending.join();
  for (auto& reply : replies) EXPECT_TRUE(reply.get().has_value());
}

TEST_F(SessionQueueTest, ManyPushersManySessions) {
  start(3, 16);
  std::atomic<int> answered{0}, refused{0};
  std::vector<std::thread> pushers;
  for (int p = 0; p < 4; ++p) {
    pushers.emplace_back([&] {
      for (int i = 0; i < 100; ++i) {
        const Result<InferReply> reply = push(static_cast<float>(i)).get();
        ++(reply ? answered : refused);
      }
    });
  }
  for (std::thread& thread : pushers) thread.join();
  EXPECT_EQ(answered + refused, 400);
  EXPECT_EQ(queue_->statistics().success.count, static_cast<uint64_t>(answered));
}

}  // namespace
}  // namespace slipway::serve
