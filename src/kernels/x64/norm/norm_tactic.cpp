// LayerNormalization and RMSNormalization over trailing axes, GroupNormalization and InstanceNormalization over stretches of
// channels: one row of statistics at a time, mean and variance in two passes.
#include "base/format.hpp"
#include "kernels/registry.hpp"
#include "kernels/x64/rows/rows.hpp"
#include "ops/group_normalization.hpp"
#include "ops/layer_normalization.hpp"

namespace slipway::kernels {
namespace {

using tactic::Exec;
using tactic::Fault;

struct Layer {
  int64_t rows = 0, row = 0;  ///< `row` elements share their statistics
  int64_t channels = 0;       ///< of a row; 0: scale and bias have one value for each element of it
  int64_t groups = 1;         ///< rows of one image, each with its own scales
  float epsilon = 0;
  bool centred = true;
};

/// Extents are those of the axes from `axis` on, ones before.
bool trailing(const Dims& d, const Dims& x, int axis) {
  const int lead = x.rank() - d.rank();
  for (int i = 0; i < x.rank(); ++i) {
    if ((i < lead ? 1 : d[i - lead]) != (i < axis ? 1 : x[i])) return false;
  }
  return lead >= 0;
}

bool read_trailing(const tactic::Query& query, Layer& layer, std::string& reason) {
  const Dims& x = query.inputs[0].dims;
  const auto& attrs = query.node.attrs.as<ops::LayerNormalizationAttrs>();
  const int axis = static_cast<int>(attrs.axis < 0 ? attrs.axis + x.rank() : attrs.axis);
  for (size_t i = 1; i < query.inputs.size(); ++i) {
    if (query.has(i) && !trailing(query.inputs[i].dims, x, axis))
      return reason = "scale or bias is not one value for each element", false;
  }
  layer.rows = x.count(0, axis);
  layer.row = x.count(axis, x.rank());
  layer.epsilon = attrs.epsilon;
  layer.centred = query.is("LayerNormalization");
  return true;
}

bool read_layer(const tactic::Query& query, Layer& layer, std::string& reason) {
  for (size_t i = 0; i < query.inputs.size(); ++i) {
    if (query.has(i) && query.inputs[i].type != ElementType::f32) return reason = "f32 only", false;
  }
  for (size_t i = 1; i < query.outputs.size(); ++i) {
    if (!query.outputs[i].absent()) return reason = "the statistics are wanted", false;
  }
  const Dims& x = query.inputs[0].dims;
  if (x.count() == 0) return reason = "empty", false;
  if (query.is("LayerNormalization") || query.is("RMSNormalization")) return read_trailing(query, layer, reason);
  if (x.rank() < 3) return reason = "no spatial axis", false;
  layer.groups = x[1];
  if (query.is("GroupNormalization")) {
    layer.groups = query.node.attrs.as<ops::GroupNormalizationAttrs>().num_groups;
    layer.epsilon = query.node.attrs.as<ops::GroupNormalizationAttrs>().epsilon;
  } else {
    layer.epsilon = query.node.attrs.as<ops::InstanceNormalizationAttrs>().epsilon;
  }
  for (size_t i = 1; i < 3; ++i) {
    if (!query.has(i) || query.inputs[i].dims.count() != x[1])
      return reason = "scale or bias is not one value for each channel", false;
  }
  if (layer.groups < 1 || x[1] % layer.groups != 0) return reason = "channels do not divide into groups", false;
  layer.channels = x[1] / layer.groups;
  layer.rows = x[0] * layer.groups;
  layer.row = x.count() / layer.rows;
  return true;
}

class NormKernel final : public tactic::Kernel {
 public:
  NormKernel(const Layer& layer, bool has_bias, Isa isa) : layer_(layer), has_bias_(has_bias), functions_(rows::functions(isa)) {}

  Fault run(const Exec& exec) const noexcept override {
    auto task = [&](int thread, int threads) {
      const Team::Range range = Team::share(layer_.rows, thread, threads);
      for (int64_t r = range.begin; r < range.end; ++r) run_row(exec, r);
    };
    exec.team.run(task);
    return Fault::none;
  }

  std::string describe() const override { return fmt::format("rows of {}", layer_.row); }

 private:
  void run_row(const Exec& exec, int64_t r) const {
    const auto* x = static_cast<const float*>(exec.inputs[0]) + r * layer_.row;
    auto* y = static_cast<float*>(exec.outputs[0]) + r * layer_.row;
    const auto* scale = static_cast<const float*>(exec.inputs[1]);
    float mean = 0, inverse = 0;
    if (!layer_.centred) {
      inverse = functions_.inverse_rms(x, layer_.row, layer_.epsilon);
      return functions_.normalise(x, y, layer_.row, 0, inverse, scale, nullptr);
    }
    functions_.moments(x, layer_.row, layer_.epsilon, &mean, &inverse);
    const auto* bias = has_bias_ ? static_cast<const float*>(exec.inputs[2]) : nullptr;
    if (layer_.channels == 0) return functions_.normalise(x, y, layer_.row, mean, inverse, scale, bias);
    const int64_t plane = layer_.row / layer_.channels, first = r % layer_.groups * layer_.channels;
    for (int64_t c = 0; c < layer_.channels; ++c) {
      const float factor = inverse * scale[first + c];
      functions_.affine(x + c * plane, y + c * plane, plane, factor, bias[first + c] - mean * factor);
    }
  }

  Layer layer_;
  bool has_bias_;
  const rows::Functions& functions_;
};

tactic::Verdict judge(const tactic::Query& query) {
  Layer layer;
  std::string reason;
  if (!read_layer(query, layer, reason)) return tactic::Verdict::no(std::move(reason));
  constexpr double kElementsPerUs = 5000;
  tactic::Verdict verdict = tactic::Verdict::yes(
      0.5 + static_cast<double>(layer.rows * layer.row) / kElementsPerUs / query.machine.threads, "two passes");
  verdict.in_place = 0;
  return verdict;
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext&) {
  Layer layer;
  std::string reason;
  if (!read_layer(query, layer, reason)) return Error(ErrorCode::internal, reason);
  return std::unique_ptr<tactic::Kernel>(std::make_unique<NormKernel>(layer, query.has(2), query.machine.isa));
}

}  // namespace

tactic::TacticList norm_tactic() {
  return {{"x64.norm",
           Isa::avx2,
           {"LayerNormalization", "RMSNormalization", "GroupNormalization", "InstanceNormalization"},
           judge,
           build}};
}

}  // namespace slipway::kernels
