// Small engines, and a latch that holds a session up.
#pragma once

#include <condition_variable>
#include <fstream>
#include <mutex>
#include <stdexcept>

#include "engine/engine.hpp"
#include "ir/text.hpp"
#include "ops/registry.hpp"
#include "serve/repository/repository.hpp"

namespace slipway::serve {

/// y = x + x, f32[n]
inline std::shared_ptr<engine::Engine> doubler() {
  Result<ir::Graph> graph =
      ir::parse("graph \"double\" {\n  input %x: f32[n]\n  %y = Add(%x, %x)\n  output %y\n}\n", ops::lookup);
  if (!graph) throw std::runtime_error(graph.error().text());
  auto engine = engine::Engine::from_graph(std::move(graph).value());
  if (!engine) throw std::runtime_error(engine.error().text());
  return std::move(engine).value();
}

inline ModelSpec doubler_spec() {
  const std::vector<int64_t> open = {-1};
  return {"double", "1", {{"x", ElementType::f32, open}}, {{"y", ElementType::f32, open}}};
}

inline InferRequest doubler_request(float value) {
  InferRequest request;
  request.inputs.emplace_back(Tensor::from<float>(ElementType::f32, {1}, std::span(&value, 1)));
  request.outputs = {{0, false, 0}};
  return request;
}

/// Closed until opened.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    wake_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool open_ = false;
};

}  // namespace slipway::serve
