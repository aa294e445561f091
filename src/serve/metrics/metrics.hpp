// Prometheus metrics under the names that Triton's dashboards know.
#pragma once

#include <memory>
#include <string>

#include "serve/schedule/statistics.hpp"

namespace slipway::serve {

/// The metrics of one model. Thread-safe.
class ModelMetrics {
 public:
  struct Series;
  explicit ModelMetrics(std::unique_ptr<Series> series);
  ~ModelMetrics();

  void pending(int change);
  void succeeded(const RequestTimes& times);
  void failed(FailureReason reason);

 private:
  std::unique_ptr<Series> series_;
};

/// Must outlive its models. Thread-safe.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  std::unique_ptr<ModelMetrics> add_model(const std::string& name, const std::string& version, double load_seconds);
  /// The text exposition format, version 0.0.4.
  std::string text() const;

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

}  // namespace slipway::serve
