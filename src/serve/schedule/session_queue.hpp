// A bounded queue before N sessions of one engine, each on a thread of its own. What is accepted is answered.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/engine.hpp"
#include "serve/codec/infer.hpp"
#include "serve/metrics/metrics.hpp"
#include "serve/schedule/statistics.hpp"

namespace slipway::serve {

struct Job {
  InferRequest request;
  uint64_t input_ns = 0;  ///< spent on reading it
  /// True once nobody waits for the answer any more: what runs ends at its next step. Null: never.
  std::shared_ptr<const std::atomic<bool>> abandoned;
  /// Called once, on a session's thread or a pushing one.
  std::function<void(Result<InferReply>)> done;
};

struct QueueOptions {
  int sessions = 1;
  size_t capacity = 128;
};

/// Thread-safe.
class SessionQueue {
 public:
  /// `engine` and `model` stay alive while the queue does.
  SessionQueue(const engine::Engine& engine, const ModelSpec& model, std::unique_ptr<ModelMetrics> metrics, QueueOptions options);
  /// Answers what waits, then ends the sessions.
  ~SessionQueue();

  /// unavailable when the queue is full; `job.done` is then not called.
  Status push(Job job);
  /// Counts a request that never became a job.
  void refused(FailureReason reason);
  Statistics statistics() const;
  int sessions() const { return options_.sessions; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Waiting {
    Job job;
    Clock::time_point arrived;
  };

  bool enqueue(Job& job, std::vector<Waiting>& hopeless);
  void serve(runtime::Session& session);
  void answer(runtime::Session& session, Waiting& waiting);
  void finish(Waiting& waiting, const RequestTimes& times, Result<InferReply> reply);
  Result<InferReply> infer(runtime::Session& session, const Waiting& waiting, RequestTimes& times);

  const ModelSpec& model_;
  std::unique_ptr<ModelMetrics> metrics_;
  QueueOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Waiting> waiting_;
  Statistics statistics_;
  bool ending_ = false;
  std::vector<std::unique_ptr<runtime::Session>> sessions_;
  std::vector<std::thread> threads_;
};

}  // namespace slipway::serve
