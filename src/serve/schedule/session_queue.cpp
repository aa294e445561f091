#include "serve/schedule/session_queue.hpp"

#include <algorithm>
#include <iterator>
#include <new>

#include "base/format.hpp"

namespace slipway::serve {
namespace {

uint64_t ns_between(std::chrono::steady_clock::time_point from, std::chrono::steady_clock::time_point to) {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(to - from).count());
}

FailureReason reason_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::unavailable:
    case ErrorCode::deadline:
      return FailureReason::rejected;
    case ErrorCode::cancelled:
      return FailureReason::cancelled;
    default:
      return FailureReason::backend;
  }
}

/// Whether somebody still waits for the answer.
Status check(const Job& job, std::chrono::steady_clock::time_point arrived) {
  if (job.abandoned != nullptr && *job.abandoned) {
    return Error(ErrorCode::cancelled, "the client ended its connection before the answer was made");
  }
  const auto& timeout = job.request.timeout;
  if (timeout && std::chrono::steady_clock::now() >= arrived + *timeout)
    return fail(ErrorCode::deadline, "the request waited longer than its timeout of {} us", timeout->count());
  return {};
}

}  // namespace

SessionQueue::SessionQueue(const engine::Engine& engine, const ModelSpec& model, std::unique_ptr<ModelMetrics> metrics,
                           QueueOptions options)
    : model_(model), metrics_(std::move(metrics)), options_(options) {
  for (int i = 0; i < options_.sessions; ++i) sessions_.push_back(engine.session());
  for (const auto& session : sessions_) threads_.emplace_back([this, s = session.get()] { serve(*s); });
}

SessionQueue::~SessionQueue() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

Status SessionQueue::push(Job job) {
  std::vector<Waiting> hopeless;
  const bool taken = enqueue(job, hopeless);
  if (taken) wake_.notify_one();
  for (Waiting& waiting : hopeless) finish(waiting, {}, check(waiting.job, waiting.arrived).error());
  if (taken) return {};
  refused(FailureReason::rejected);
  return fail(ErrorCode::unavailable, "model '{}' has {} requests waiting already, as many as its queue holds; try again later",
              model_.name, options_.capacity);
}

/// False when the queue is full even without those that wait in vain, which are moved to `hopeless`.
bool SessionQueue::enqueue(Job& job, std::vector<Waiting>& hopeless) {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= options_.capacity) {
    const auto kept = std::stable_partition(waiting_.begin(), waiting_.end(),
                                            [](const Waiting& w) { return check(w.job, w.arrived).has_value(); });
    std::move(kept, waiting_.end(), std::back_inserter(hopeless));
    waiting_.erase(kept, waiting_.end());
    metrics_->pending(-static_cast<int>(hopeless.size()));
    if (waiting_.size() >= options_.capacity) return false;
  }
  waiting_.push_back({std::move(job), Clock::now()});
  metrics_->pending(1);
  return true;
}

void SessionQueue::refused(FailureReason reason) {
  const std::lock_guard lock(mutex_);
  statistics_.fail.add(0);
  metrics_->failed(reason);
}

Statistics SessionQueue::statistics() const {
  const std::lock_guard lock(mutex_);
  return statistics_;
}

void SessionQueue::serve(runtime::Session& session) {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return ending_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    metrics_->pending(-1);
    lock.unlock();
    answer(session, next);
    lock.lock();
  }
}

void SessionQueue::answer(runtime::Session& session, Waiting& waiting) {
  RequestTimes times;
  times.input = waiting.job.input_ns;
  times.queue = ns_between(waiting.arrived, Clock::now());
  Result<InferReply> reply = fail(ErrorCode::internal, "no answer was made");
  try {
    reply = infer(session, waiting, times);
  } catch (const std::bad_alloc&) {
    reply = fail(ErrorCode::unavailable, "there is not enough memory for this request");
  } catch (const std::exception& e) {
    reply = fail(ErrorCode::internal, "model '{}' failed: {}", model_.name, e.what());
  }
  finish(waiting, times, std::move(reply));
}

void SessionQueue::finish(Waiting& waiting, const RequestTimes& times, Result<InferReply> reply) {
  {
    const std::lock_guard lock(mutex_);
    if (reply) {
      const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
      statistics_.last_inference_ms =
          static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count());
      statistics_.success.add(times.total());
      statistics_.queue.add(times.queue);
      statistics_.compute_input.add(times.input);
      statistics_.compute_infer.add(times.infer);
      statistics_.compute_output.add(times.output);
      metrics_->succeeded(times);
    } else {
      statistics_.fail.add(times.total());
      metrics_->failed(reason_of(reply.error().code));
    }
  }
  waiting.job.done(std::move(reply));
}

Result<InferReply> SessionQueue::infer(runtime::Session& session, const Waiting& waiting, RequestTimes& times) {
  const InferRequest& request = waiting.job.request;
  TRY(check(waiting.job, waiting.arrived));
  const Clock::time_point started = Clock::now();
  runtime::RunOptions options;
  options.cancel = waiting.job.abandoned.get();
  if (request.timeout) options.deadline = waiting.arrived + *request.timeout;
  std::vector<ir::Value> results;
  TRY(session.run(request.inputs, results, options));
  const Clock::time_point computed = Clock::now();
  times.infer = ns_between(started, computed);
  InferReply reply = TRY(render_infer(request, model_, results));
  times.output = ns_between(computed, Clock::now());
  return reply;
}

}  // namespace slipway::serve
