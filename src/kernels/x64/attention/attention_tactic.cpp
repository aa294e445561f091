// Attention and the attention group: K is packed once per head; then each task takes one head and a few query rows, whose scores
// never leave the nearest cache: S = Q K^T, softmax, S V. Of bfloat16 S is rounded after the softmax, and V is packed too.
#include <algorithm>
#include <cmath>

#include "base/format.hpp"
#include "kernels/registry.hpp"
#include "kernels/x64/convert/convert.hpp"
#include "kernels/x64/gemm/gemm.hpp"
#include "kernels/x64/rows/rows.hpp"
#include "ops/attention.hpp"
#include "ops/group.hpp"
#include "ops/split.hpp"

namespace slipway::kernels {
namespace {

using tactic::Exec;
using tactic::Fault;

constexpr size_t kLineBytes = 64;

/// Where the rows of Q, K, V or Y lie, in elements.
struct Side {
  size_t input = 0;
  int64_t heads = 1, length = 0, size = 0;
  int64_t offset = 0, batch_step = 0, head_step = 0, row_step = 0;
  int64_t at(int64_t batch, int64_t head, int64_t row) const {
    return offset + batch * batch_step + head * head_step + row * row_step;
  }
};

struct Mask {
  size_t input = 0;  ///< 0: none
  bool boolean = false;
  int64_t steps[3] = {};  ///< elements from batch to batch, head to head, query to query
};

struct Layer {
  int64_t batch = 0;
  Side q, k, v, y;
  Mask mask;
  float scale = 1;
  bool causal = false;
  ElementType type = ElementType::f32;  ///< or bf16

  bool narrow() const { return type == ElementType::bf16; }
  int64_t element_bytes() const { return narrow() ? 2 : 4; }
};

Side side_of(size_t input, const Dims& d, int64_t heads) {
  if (d.rank() == 4) return {input, d[1], d[2], d[3], 0, d.count(1, 4), d.count(2, 4), d[3]};
  return {input, heads, d[1], d[2] / heads, 0, d.count(1, 3), d[2] / heads, d[2]};
}

bool read_mask(const tactic::Query& query, size_t input, Layer& layer, std::string& reason) {
  if (!query.has(input)) return true;
  const tactic::TensorDesc& m = query.inputs[input];
  layer.mask.input = input;
  layer.mask.boolean = m.type == ElementType::boolean;
  if (!layer.mask.boolean && m.type != ElementType::f32) return reason = "a mask that is neither bool nor f32", false;
  if (m.dims.rank() < 1 || m.dims.rank() > 4) return reason = "a mask of unusual rank", false;
  const int64_t extents[4] = {layer.batch, layer.q.heads, layer.q.length, layer.k.length};
  int64_t step = 1;
  for (int i = 3, axis = m.dims.rank() - 1; axis >= 0; --i, --axis) {
    const int64_t extent = m.dims[axis];
    if (extent != extents[i] && (extent != 1 || i == 3)) return reason = "a mask shorter than the keys", false;
    if (i < 3) layer.mask.steps[i] = extent == 1 ? 0 : step;
    step *= extent;
  }
  return true;
}

bool read_attrs(const ops::AttentionAttrs& attrs, Layer& layer, std::string& reason) {
  if (attrs.softcap > 0 || attrs.left_window_size >= 0 || attrs.right_window_size >= 0)
    return reason = "softcap or a window", false;
  layer.scale = attrs.scale.value_or(static_cast<float>(1 / std::sqrt(static_cast<double>(layer.q.size))));
  layer.causal = attrs.is_causal;
  return true;
}

bool read_group(const tactic::Query& query, const ir::Graph& body, Layer& layer, std::string& reason) {
  const ir::Node &split = body.node(0), &node = body.node(1);
  const auto& attrs = node.attrs.as<ops::AttentionAttrs>();
  const Dims& x = query.inputs[0].dims;
  if (x.rank() != 3 || split.outputs.size() != 3 || x[2] % 3 != 0 || !attrs.q_num_heads ||
      attrs.q_num_heads != attrs.kv_num_heads) {
    return reason = "not three equal parts of [batch, length, heads * size]", false;
  }
  const int64_t width = x[2] / 3;
  if (width % *attrs.q_num_heads != 0) return reason = "parts do not divide into heads", false;
  Side* const sides[3] = {&layer.q, &layer.k, &layer.v};
  for (size_t i = 0; i < 3; ++i) {
    const auto part = std::find(split.outputs.begin(), split.outputs.end(), node.inputs[i]) - split.outputs.begin();
    *sides[i] = side_of(0, {x[0], x[1], width}, *attrs.q_num_heads);
    sides[i]->offset = part * width;
    sides[i]->batch_step = x[1] * x[2];
    sides[i]->row_step = x[2];
  }
  layer.batch = x[0];
  layer.y = side_of(0, {x[0], x[1], width}, *attrs.q_num_heads);
  return read_attrs(attrs, layer, reason) && read_mask(query, 1, layer, reason);
}

bool read_node(const tactic::Query& query, Layer& layer, std::string& reason) {
  const auto& attrs = query.node.attrs.as<ops::AttentionAttrs>();
  for (size_t i = 4; i < query.inputs.size(); ++i) {
    if (query.has(i)) return reason = "a cache or padded keys", false;
  }
  for (size_t i = 1; i < query.outputs.size(); ++i) {
    if (!query.outputs[i].absent()) return reason = "a cache or the products are wanted", false;
  }
  const Dims &q = query.inputs[0].dims, &k = query.inputs[1].dims, &v = query.inputs[2].dims;
  const int64_t q_heads = attrs.q_num_heads.value_or(1), kv_heads = attrs.kv_num_heads.value_or(1);
  if (q_heads < 1 || kv_heads < 1 || (q.rank() != 3 && q.rank() != 4)) return reason = "unusual heads", false;
  layer.batch = q[0];
  layer.q = side_of(0, q, q_heads);
  layer.k = side_of(1, k, kv_heads);
  layer.v = side_of(2, v, kv_heads);
  if (k[0] != q[0] || v[0] != q[0] || layer.k.size != layer.q.size || layer.v.length != layer.k.length ||
      layer.v.heads != layer.k.heads || layer.q.heads % layer.k.heads != 0) {
    return reason = "Q, K and V do not fit each other", false;
  }
  layer.y = side_of(0, query.outputs[0].dims, layer.q.heads);
  return read_attrs(attrs, layer, reason) && read_mask(query, 3, layer, reason);
}

bool read_layer(const tactic::Query& query, Layer& layer, std::string& reason) {
  const ops::GroupAttrs* group = ops::group_of(query.node);
  if (group != nullptr && group->kind != "attention") return reason = "not attention", false;
  const size_t data_inputs = group != nullptr ? 1 : 3;
  layer.type = query.inputs[0].type;
  if (layer.type != ElementType::f32 && layer.type != ElementType::bf16) return reason = "f32 and bf16 only", false;
  for (size_t i = 0; i < data_inputs; ++i) {
    if (query.inputs[i].type != layer.type) return reason = "Q, K and V of different types", false;
    if (query.inputs[i].dims.count() == 0) return reason = "empty", false;
  }
  if (query.outputs[0].dims.count() == 0) return reason = "empty", false;
  return group != nullptr ? read_group(query, *group->body, layer, reason) : read_node(query, layer, reason);
}

class AttentionKernel final : public tactic::Kernel {
 public:
  static Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const Layer& layer,
                                                       tactic::BuildContext& context) {
    std::unique_ptr<AttentionKernel> kernel(new AttentionKernel());
    TRY(kernel->prepare(query.machine, layer, context));
    return std::unique_ptr<tactic::Kernel>(std::move(kernel));
  }

  Fault run(const Exec& exec) const noexcept override {
    auto pack = [&](int thread, int threads) { pack_sides(exec, thread, threads); };
    exec.team.run(pack);
    auto attend = [&](int thread, int threads) {
      float* scores = reinterpret_cast<float*>(exec.scratch + packed_bytes()) + thread * score_floats_;
      const Team::Range range = Team::share(layer_.batch * layer_.q.heads * blocks_, thread, threads);
      for (int64_t i = range.begin; i < range.end; ++i) {
        run_block(exec, scores, i / blocks_ / layer_.q.heads, i / blocks_ % layer_.q.heads, i % blocks_);
      }
    };
    exec.team.run(attend);
    return Fault::none;
  }

  std::string describe() const override {
    return fmt::format("{} heads of {}, {} rows by {} keys", layer_.q.heads, layer_.q.size,
                       (layer_.q.length + blocks_ - 1) / blocks_, layer_.k.length);
  }

 private:
  Status prepare(const tactic::Machine& machine, const Layer& layer, tactic::BuildContext& context) {
    layer_ = layer;
    functions_ = &rows::functions(machine.isa);
    const int64_t most = machine.isa >= Isa::avx512 ? 14 : 12, length = layer.q.length;
    blocks_ = (length + most - 1) / most;
    const gemm::Product product = layer.narrow() ? gemm::Product::bf16 : gemm::Product::f32;
    narrow_ = layer.narrow() ? convert::narrow(layer.type, machine.isa) : nullptr;
    keys_ = gemm::PackShape::make(machine.isa, layer.k.size, layer.k.length, product);
    values_ = gemm::PackShape::make(machine.isa, layer.v.length, layer.v.size, product);
    score_step_ = (layer.k.length + rows::kLanes - 1) / rows::kLanes * rows::kLanes + rows::kLanes;
    for (int tall = 0; tall < 2; ++tall) {
      const int64_t count = length / blocks_ + tall;
      if (tall == 1 && length % blocks_ == 0) break;
      gemm::GemmSpec scores;
      scores.isa = machine.isa;
      scores.product = product;
      scores.m = count;
      scores.n = layer.k.length;
      scores.k = layer.k.size;
      scores.lda = layer.q.row_step;
      gemms_.push_back(TRY(gemm::Gemm::make(scores)));
      gemm::GemmSpec values = scores;
      values.n = layer.v.size;
      values.k = layer.k.length;
      values.lda = score_step_;
      values.b_packed = layer.narrow();
      values.c_type = layer.type;
      gemms_.push_back(TRY(gemm::Gemm::make(values)));
    }
    score_floats_ = (length / blocks_ + 1) * score_step_;
    context.book_scratch(packed_bytes() + static_cast<size_t>(machine.threads * score_floats_) * sizeof(float));
    return {};
  }

  static size_t aligned(size_t bytes) { return (bytes + kLineBytes - 1) / kLineBytes * kLineBytes; }
  /// Of one head, packed.
  size_t key_bytes() const { return aligned(keys_.bytes()); }
  size_t value_bytes() const { return layer_.narrow() ? aligned(values_.bytes()) : 0; }
  size_t packed_bytes() const { return static_cast<size_t>(layer_.batch * layer_.k.heads) * (key_bytes() + value_bytes()); }
  std::byte* packed_keys(const Exec& exec, int64_t head) const {
    return exec.scratch + static_cast<size_t>(head) * (key_bytes() + value_bytes());
  }

  const std::byte* at(const Exec& exec, const Side& side, int64_t batch, int64_t head, int64_t row) const {
    return static_cast<const std::byte*>(exec.inputs[side.input]) + side.at(batch, head, row) * layer_.element_bytes();
  }

  void pack_sides(const Exec& exec, int thread, int threads) const {
    const int64_t parts = keys_.panels() + (layer_.narrow() ? values_.panels() : 0);
    const Team::Range range = Team::share(layer_.batch * layer_.k.heads * parts, thread, threads);
    for (int64_t i = range.begin; i < range.end; ++i) {
      const int64_t head = i / parts, panel = i % parts, value = panel - keys_.panels();
      const int64_t batch = head / layer_.k.heads, h = head % layer_.k.heads;
      std::byte* to = packed_keys(exec, head);
      if (value < 0) {
        gemm::pack_b_panels(keys_, at(exec, layer_.k, batch, h, 0), layer_.k.row_step, true, panel, panel + 1, to);
      } else {
        gemm::pack_b_panels(values_, at(exec, layer_.v, batch, h, 0), layer_.v.row_step, false, value, value + 1,
                            to + key_bytes());
      }
    }
  }

  void run_block(const Exec& exec, float* scores, int64_t batch, int64_t head, int64_t block) const {
    const Team::Range range = Team::share(layer_.q.length, static_cast<int>(block), static_cast<int>(blocks_));
    const size_t tall = range.end - range.begin > layer_.q.length / blocks_ ? 1 : 0;
    const int64_t kv_head = head / (layer_.q.heads / layer_.k.heads);
    const std::byte* keys = packed_keys(exec, batch * layer_.k.heads + kv_head);
    gemm::GemmArgs args;
    args.a = at(exec, layer_.q, batch, head, range.begin);
    args.lda = layer_.q.row_step;
    args.b = keys;
    args.c = scores;
    args.ldc = score_step_;
    gemms_[tall * 2].run_part(args, 0, 1);

    for (int64_t i = range.begin; i < range.end; ++i) {
      float* row = scores + (i - range.begin) * score_step_;
      functions_->masked_softmax(row, layer_.k.length, masked_row(exec, batch, head, i));
      // Rounded rows are half as long: each lies before all those that are still to come.
      if (narrow_ != nullptr)
        narrow_(row, reinterpret_cast<std::byte*>(scores) + (i - range.begin) * score_step_ * 2, layer_.k.length);
    }

    args.a = scores;
    args.lda = score_step_;
    args.b = layer_.narrow() ? keys + key_bytes() : at(exec, layer_.v, batch, kv_head, 0);
    args.ldb = layer_.v.row_step;
    args.c = static_cast<std::byte*>(exec.outputs[0]) + layer_.y.at(batch, head, range.begin) * layer_.element_bytes();
    args.ldc = layer_.y.row_step;
    gemms_[tall * 2 + 1].run_part(args, 0, 1);
  }

  rows::MaskedRow masked_row(const Exec& exec, int64_t batch, int64_t head, int64_t i) const {
    const Mask& mask = layer_.mask;
    rows::MaskedRow row;
    row.scale = layer_.scale;
    row.visible = layer_.causal ? std::min(i + 1, layer_.k.length) : layer_.k.length;
    if (mask.input == 0) return row;
    const int64_t at = batch * mask.steps[0] + head * mask.steps[1] + i * mask.steps[2];
    if (mask.boolean) {
      row.allows = static_cast<const uint8_t*>(exec.inputs[mask.input]) + at;
    } else {
      row.added = static_cast<const float*>(exec.inputs[mask.input]) + at;
    }
    return row;
  }

  Layer layer_;
  const rows::Functions* functions_ = nullptr;
  gemm::PackShape keys_, values_;
  convert::Narrow narrow_ = nullptr;
  std::vector<gemm::Gemm> gemms_;  ///< scores and values, for the lesser block of rows and for the one of a row more
  int64_t blocks_ = 1, score_step_ = 0, score_floats_ = 0;
};

tactic::Verdict judge(const tactic::Query& query) {
  Layer layer;
  std::string reason;
  if (!read_layer(query, layer, reason)) return tactic::Verdict::no(std::move(reason));
  const double flops_per_us = layer.narrow() && query.machine.isa >= Isa::avx512_bf16 ? 90e3 : 60e3;
  const double flops = 2.0 * static_cast<double>(layer.batch * layer.q.heads * layer.q.length) *
                       static_cast<double>(layer.k.length * (layer.q.size + layer.v.size));
  return tactic::Verdict::yes(1 + flops / flops_per_us / query.machine.threads, "scores in cache");
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext& context) {
  Layer layer;
  std::string reason;
  if (!read_layer(query, layer, reason)) return Error(ErrorCode::internal, reason);
  return AttentionKernel::build(query, layer, context);
}

}  // namespace

tactic::TacticList attention_tactic() {
  return {{"x64.attention", Isa::avx2, {"Attention", "Group"}, judge, build}};
}

}  // namespace slipway::kernels
