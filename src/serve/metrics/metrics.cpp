#include "serve/metrics/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>

namespace slipway::serve {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;

constexpr std::array<const char*, 4> kReasons = {"REJECTED", "CANCELED", "BACKEND", "OTHER"};

Family<Counter>& counters(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}
Family<Gauge>& gauges(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

}  // namespace

struct ModelMetrics::Series {
  Counter &success, &inferences, &executions, &request, &queue, &input, &infer, &output;
  Gauge& pending;
  std::array<Counter*, kReasons.size()> failure;
};

struct Metrics::Families {
  prometheus::Registry registry;
  Family<Counter>& success = counters(registry, "nv_inference_request_success", "Number of successful inference requests");
  Family<Counter>& failure = counters(registry, "nv_inference_request_failure", "Number of failed inference requests");
  Family<Counter>& inferences = counters(registry, "nv_inference_count", "Number of inferences performed");
  Family<Counter>& executions = counters(registry, "nv_inference_exec_count", "Number of model executions performed");
  Family<Counter>& request = counters(registry, "nv_inference_request_duration_us", "Summed request time in microseconds");
  Family<Counter>& queue = counters(registry, "nv_inference_queue_duration_us", "Summed queue time in microseconds");
  Family<Counter>& input =
      counters(registry, "nv_inference_compute_input_duration_us", "Summed time of reading inputs in microseconds");
  Family<Counter>& infer =
      counters(registry, "nv_inference_compute_infer_duration_us", "Summed time of inference in microseconds");
  Family<Counter>& output =
      counters(registry, "nv_inference_compute_output_duration_us", "Summed time of writing outputs in microseconds");
  Family<Gauge>& pending = gauges(registry, "nv_inference_pending_request_count", "Requests that wait for a session");
  Family<Gauge>& load = gauges(registry, "nv_model_load_duration_secs", "Time that loading the model took in seconds");
};

ModelMetrics::ModelMetrics(std::unique_ptr<Series> series) : series_(std::move(series)) {}
ModelMetrics::~ModelMetrics() = default;

void ModelMetrics::pending(int change) {
  series_->pending.Increment(change);
}

void ModelMetrics::succeeded(const RequestTimes& times) {
  constexpr double kMicro = 1e-3;
  series_->success.Increment();
  series_->inferences.Increment();
  series_->executions.Increment();
  series_->request.Increment(static_cast<double>(times.total()) * kMicro);
  series_->queue.Increment(static_cast<double>(times.queue) * kMicro);
  series_->input.Increment(static_cast<double>(times.input) * kMicro);
  series_->infer.Increment(static_cast<double>(times.infer) * kMicro);
  series_->output.Increment(static_cast<double>(times.output) * kMicro);
}

void ModelMetrics::failed(FailureReason reason) {
  series_->failure[static_cast<size_t>(reason)]->Increment();
}

Metrics::Metrics() : families_(std::make_unique<Families>()) {}
Metrics::~Metrics() = default;

std::unique_ptr<ModelMetrics> Metrics::add_model(const std::string& name, const std::string& version, double load_seconds) {
  const std::map<std::string, std::string> labels = {{"model", name}, {"version", version}};
  Families& f = *families_;
  f.load.Add(labels).Set(load_seconds);
  std::array<Counter*, kReasons.size()> failure{};
  for (size_t i = 0; i < kReasons.size(); ++i) {
    std::map<std::string, std::string> with_reason = labels;
    with_reason["reason"] = kReasons[i];
    failure[i] = &f.failure.Add(with_reason);
  }
  return std::make_unique<ModelMetrics>(std::unique_ptr<ModelMetrics::Series>(new ModelMetrics::Series{
      f.success.Add(labels), f.inferences.Add(labels), f.executions.Add(labels), f.request.Add(labels), f.queue.Add(labels),
      f.input.Add(labels), f.infer.Add(labels), f.output.Add(labels), f.pending.Add(labels), failure}));
}

std::string Metrics::text() const {
  return prometheus::TextSerializer().Serialize(families_->registry.Collect());
}

}  // namespace slipway::serve
