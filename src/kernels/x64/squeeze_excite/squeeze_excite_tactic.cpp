// Squeeze-and-excite as one step: the mean of each channel, two small matrix products with their activations, and the product of
// what was pooled with the gate, plain or blocked16 as the input stands.
//
// Three phases, each shared by the team: means by block of channels, hidden values by block, then per block of channels its gate
// and the scaling. A residual (x + x * gate) is the gate with one added.
#include <algorithm>
#include <cstring>

#include "base/format.hpp"
#include "kernels/registry.hpp"
#include "kernels/x64/conv/channels.hpp"
#include "kernels/x64/eltwise/kernel.hpp"
#include "kernels/x64/eltwise/tail.hpp"
#include "kernels/x64/rows/rows.hpp"
#include "ops/group.hpp"

namespace slipway::kernels {
namespace {

using tactic::Exec;
using tactic::Fault;
using tactic::Format;

constexpr int64_t kBlock = rows::kLanes;
constexpr size_t kNone = ~size_t{0};

int64_t blocks(int64_t channels) {
  return (channels + kBlock - 1) / kBlock;
}

/// A 1x1 convolution and what follows it. Inputs are the group's.
struct Layer {
  size_t weights = 0, bias = kNone;
  eltwise::EltwiseProgram activation;
};

struct Work {
  Layer squeeze, excite;
  int64_t batch = 0, channels = 0, hidden = 0, pixels = 0;
  bool residual = false;
};

size_t input_of(const ir::Graph& body, ir::ValueId v) {
  const auto at = std::find(body.inputs().begin(), body.inputs().end(), v);
  return at == body.inputs().end() ? kNone : static_cast<size_t>(at - body.inputs().begin());
}

/// A constant of rows x columns elements, whatever its ones.
bool is_matrix(const tactic::TensorDesc& d, int64_t rows, int64_t columns) {
  return d.constant != nullptr && d.type == ElementType::f32 && d.dims.rank() >= 2 && d.dims[0] == rows && d.dims[1] == columns &&
         d.dims.count() == rows * columns;
}

bool read_layer(const tactic::Query& query, const ir::Graph& body, ir::NodeId conv, int64_t from, int64_t to, Layer& layer,
                std::string& reason) {
  const ir::Node &product = body.node(conv), &function = body.node(conv + 1);
  layer.weights = input_of(body, product.inputs[1]);
  if (layer.weights == kNone || !is_matrix(query.inputs[layer.weights], to, from))
    return reason = "weights that do not fit", false;
  if (product.inputs.size() > 2 && product.inputs[2] != ir::kNone) {
    layer.bias = input_of(body, product.inputs[2]);
    if (layer.bias == kNone || query.inputs[layer.bias].constant == nullptr) return reason = "the bias is not constant", false;
  }
  std::vector<int> values;
  std::vector<const Tensor*> constants;
  for (ir::ValueId v : function.inputs) {
    values.push_back(values.empty() ? 0 : -1);
    constants.push_back(v == ir::kNone || !body.value(v).is_constant() ? nullptr : &body.value(v).constant);
  }
  layer.activation.operands = {eltwise::Spread::full};
  uint8_t result = 0;
  if (!eltwise::append_node(layer.activation, {function, values, constants}, result)) {
    return reason = fmt::format("no code for this {}", function.op->name), false;
  }
  return true;
}

bool read_work(const tactic::Query& query, Work& work, std::string& reason) {
  const ops::GroupAttrs* group = ops::group_of(query.node);
  if (group == nullptr || group->kind != "squeeze_excite") return reason = "not a squeeze-and-excite group", false;
  const ir::Graph& body = *group->body;
  const Dims& x = query.inputs[0].dims;
  if (query.inputs[0].constant != nullptr) return reason = "the input is a constant", false;
  if (x.rank() < 3 || x.count() == 0) return reason = "no pixels", false;
  work.batch = x[0];
  work.channels = x[1];
  work.pixels = x.count(2, x.rank());
  const size_t squeeze = input_of(body, body.node(1).inputs[1]);
  if (squeeze == kNone || query.inputs[squeeze].dims.rank() < 2) return reason = "weights that do not fit", false;
  work.hidden = query.inputs[squeeze].dims[0];
  if (work.hidden == 0) return reason = "nothing between the layers", false;
  work.residual = body.node_slots() == 7;
  return read_layer(query, body, 1, work.channels, work.hidden, work.squeeze, reason) &&
         read_layer(query, body, 3, work.hidden, work.channels, work.excite, reason);
}

/// [rows][depth] as blocks of 16 rows, each [depth][16], zeros beyond the last row.
tactic::Packing pack_rows(int64_t count, int64_t depth) {
  tactic::Packing packing;
  packing.recipe = "rows/f32/16";
  packing.bytes = static_cast<size_t>(blocks(count) * kBlock * depth) * sizeof(float);
  const auto place = [=](int64_t i) { return (i / depth / kBlock * depth + i % depth) * kBlock + i / depth % kBlock; };
  packing.pack = [=, bytes = packing.bytes](const Tensor& from, std::byte* to) {
    std::memset(to, 0, bytes);
    for (int64_t i = 0; i < count * depth; ++i) reinterpret_cast<float*>(to)[place(i)] = from.as<float>()[i];
  };
  packing.unpack = [=](const std::byte* from, Tensor& to) {
    for (int64_t i = 0; i < count * depth; ++i) to.as<float>()[i] = reinterpret_cast<const float*>(from)[place(i)];
  };
  return packing;
}

/// One built layer: gives blocks of 16 results.
class BuiltLayer {
 public:
  static Result<BuiltLayer> make(const tactic::Query& query, const Layer& layer, int64_t from, int64_t to,
                                 tactic::BuildContext& context) {
    BuiltLayer built;
    built.depth_ = from;
    built.weights_ = TRY(context.pack(layer.weights, pack_rows(to, from)));
    if (layer.bias != kNone) built.bias_ = TRY(context.pack(layer.bias, conv::pack_channels(to)));
    built.activation_ = TRY(eltwise::Kernel::make(query.machine.isa, layer.activation));
    return built;
  }

  void block(const rows::Functions& f, int64_t index, const float* x, float* y) const {
    const float* bias = bias_ == nullptr ? nullptr : reinterpret_cast<const float*>(bias_.get()) + index * kBlock;
    f.block_product(reinterpret_cast<const float*>(weights_.get()) + index * kBlock * depth_, x, bias, y, depth_);
    eltwise::KernelArgs args;
    args.columns = kBlock;
    args.out.data = y;
    args.operands[0].data = y;
    (*activation_)(args);
  }

 private:
  int64_t depth_ = 0;
  tactic::Packed weights_, bias_;
  std::shared_ptr<const eltwise::Kernel> activation_;
};

class SqueezeExciteKernel final : public tactic::Kernel {
 public:
  SqueezeExciteKernel(const Work& work, Format format, const rows::Functions& functions, BuiltLayer squeeze, BuiltLayer excite)
      : work_(work), format_(format), f_(functions), squeeze_(std::move(squeeze)), excite_(std::move(excite)) {}

  static size_t scratch_floats(const Work& work) {
    return static_cast<size_t>(work.batch * (blocks(work.channels) + blocks(work.hidden)) * kBlock);
  }

  Fault run(const Exec& exec) const noexcept override {
    const auto* x = static_cast<const float*>(exec.inputs[0]);
    auto* y = static_cast<float*>(exec.outputs[0]);
    const int64_t deep = blocks(work_.channels), thin = blocks(work_.hidden);
    auto* means = reinterpret_cast<float*>(exec.scratch);
    float* hidden = means + work_.batch * deep * kBlock;
    auto pool = [&](int thread, int threads) {
      const Team::Range range = Team::share(work_.batch * deep, thread, threads);
      for (int64_t i = range.begin; i < range.end; ++i) average(x, i / deep, i % deep, means + i * kBlock);
    };
    auto squeeze = [&](int thread, int threads) {
      const Team::Range range = Team::share(work_.batch * thin, thread, threads);
      for (int64_t i = range.begin; i < range.end; ++i)
        squeeze_.block(f_, i % thin, means + i / thin * deep * kBlock, hidden + i * kBlock);
    };
    auto excite = [&](int thread, int threads) {
      const Team::Range range = Team::share(work_.batch * deep, thread, threads);
      for (int64_t i = range.begin; i < range.end; ++i) {
        float gate[kBlock];
        excite_.block(f_, i % deep, hidden + i / deep * thin * kBlock, gate);
        if (work_.residual) {
          for (float& g : gate) g += 1;
        }
        scale(x, i / deep, i % deep, gate, y);
      }
    };
    exec.team.run(pool);
    exec.team.run(squeeze);
    exec.team.run(excite);
    return Fault::none;
  }

 private:
  /// Where a block's data starts, and how many of its channels exist.
  int64_t start(int64_t n, int64_t block) const {
    const int64_t channels = format_ == Format::blocked16 ? blocks(work_.channels) * kBlock : work_.channels;
    return (n * channels + block * kBlock) * work_.pixels;
  }
  int64_t count(int64_t block) const { return std::min(kBlock, work_.channels - block * kBlock); }

  void average(const float* x, int64_t n, int64_t block, float* means) const {
    x += start(n, block);
    if (format_ == Format::blocked16) {
      f_.block_total(x, means, work_.pixels);
    } else {
      for (int64_t c = 0; c < count(block); ++c) means[c] = f_.total(x + c * work_.pixels, work_.pixels);
    }
    for (int64_t c = 0; c < count(block); ++c) means[c] /= static_cast<float>(work_.pixels);
  }

  void scale(const float* x, int64_t n, int64_t block, const float* gate, float* y) const {
    x += start(n, block);
    y += start(n, block);
    if (format_ == Format::blocked16) return f_.block_scale(x, gate, y, work_.pixels);
    for (int64_t c = 0; c < count(block); ++c) f_.affine(x + c * work_.pixels, y + c * work_.pixels, work_.pixels, gate[c], 0);
  }

  Work work_;
  Format format_;
  const rows::Functions& f_;
  BuiltLayer squeeze_, excite_;
};

tactic::Verdict judge(const tactic::Query& query) {
  Work work;
  std::string reason;
  if (!read_work(query, work, reason)) return tactic::Verdict::no(std::move(reason));
  constexpr double kBytesPerUs = 15e3, kWeightsPerUs = 8e3;
  const auto elements = static_cast<double>(query.outputs[0].dims.count());
  const auto weights = static_cast<double>(2 * work.batch * work.channels * work.hidden);
  const Format format = query.inputs[0].format == Format::blocked16 ? Format::blocked16 : Format::plain;
  tactic::Verdict verdict = tactic::Verdict::yes(
      0.5 + (12 * elements / kBytesPerUs + weights / kWeightsPerUs) / query.machine.threads,
      fmt::format("{} -> {} -> {} channels, {}", work.channels, work.hidden, work.channels, tactic::name(format)));
  verdict.inputs = {format};
  verdict.outputs = {format};
  verdict.in_place = 0;
  return verdict;
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict& verdict,
                                              tactic::BuildContext& context) {
  Work work;
  std::string reason;
  if (!read_work(query, work, reason)) return Error(ErrorCode::internal, reason);
  BuiltLayer squeeze = TRY(BuiltLayer::make(query, work.squeeze, work.channels, work.hidden, context));
  BuiltLayer excite = TRY(BuiltLayer::make(query, work.excite, work.hidden, work.channels, context));
  context.book_scratch(SqueezeExciteKernel::scratch_floats(work) * sizeof(float));
  return std::unique_ptr<tactic::Kernel>(std::make_unique<SqueezeExciteKernel>(
      work, verdict.output(0), rows::functions(query.machine.isa), std::move(squeeze), std::move(excite)));
}

}  // namespace

tactic::TacticList squeeze_excite_tactic() {
  return {{"x64.squeeze_excite", Isa::avx2, {"Group"}, judge, build}};
}

}  // namespace slipway::kernels
