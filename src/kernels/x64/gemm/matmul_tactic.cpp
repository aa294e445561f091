// MatMul and Gemm, alone and with a fused tail, on the blocked GEMM: a constant right side is packed, a computed one read in
// place.
#include <algorithm>
#include <cstring>

#include "base/format.hpp"
#include "kernels/registry.hpp"
#include "kernels/x64/eltwise/tail.hpp"
#include "kernels/x64/gemm/gemm.hpp"
#include "ops/gemm.hpp"
#include "ops/group.hpp"

namespace slipway::kernels {
namespace {

using eltwise::Lie;
using eltwise::Tail;
using tactic::Exec;
using tactic::Fault;

struct Product {
  int64_t m = 0, n = 0, k = 0;
  Dims batch;             ///< leading extents of the output that are separate products
  Dims a_batch, b_batch;  ///< of the inputs, right-aligned to `batch`
  bool b_constant = false, b_transposed = false;
  ElementType type = ElementType::f32, result = ElementType::f32;
  Tail tail;
};

bool is_plain_float(ElementType type) {
  return type == ElementType::f32 || type == ElementType::bf16;
}

bool read_product(const tactic::Query& query, Product& p, std::string& reason) {
  const ops::GroupAttrs* group = ops::group_of(query.node);
  if (group != nullptr && group->kind != "matmul" && group->kind != "gemm") return reason = "not a matrix product", false;
  const Dims &a = query.inputs[0].dims, &b = query.inputs[1].dims;
  for (size_t i = 0; i < query.inputs.size(); ++i) {
    if (query.has(i) && !is_plain_float(query.inputs[i].type)) return reason = "f32 and bf16 only", false;
  }
  p.type = query.inputs[0].type;
  p.result = query.outputs[0].type;
  if (query.inputs[1].type != p.type || !is_plain_float(p.result)) return reason = "f32 and bf16 only", false;
  const Dims& y = query.outputs[0].dims;
  if (y.count() == 0 || a.count() == 0) return reason = "empty", false;
  const bool is_gemm = (group != nullptr ? group->body->node(0) : query.node).is("Gemm");
  if (!eltwise::read_tail(query, y.rank() - 1, is_gemm, p.tail, reason)) return false;
  for (const eltwise::TailOperand& o : p.tail.operands) {
    if (o.lie == Lie::full && o.type != p.result) return reason = "a residual of another type than the result", false;
  }
  p.b_constant = query.inputs[1].constant != nullptr;
  if (is_gemm) {
    const auto& attrs = p.tail.main->attrs.as<ops::GemmAttrs>();
    const bool has_c = p.tail.main->inputs.size() > 2 && p.tail.main->inputs[2] != ir::kNone;
    if (attrs.transA || attrs.alpha != 1 || (has_c && attrs.beta != 1)) return reason = "transposed A or scaled operands", false;
    p.m = a[0];
    p.k = a[1];
    p.n = y[1];
    p.b_transposed = attrs.transB;
    if (p.b_transposed && !p.b_constant) return reason = "transposed B that is not constant", false;
    return true;
  }
  if (a.rank() < 2 || b.rank() < 2) return reason = "vectors", false;
  p.k = a.back();
  p.n = b.back();
  p.m = a[a.rank() - 2];
  if (b.rank() == 2) {
    p.m = a.count(0, a.rank() - 1);  // every row of A against one B
    return true;
  }
  if (p.b_constant) return reason = "a constant right side with batch axes", false;
  for (const eltwise::TailOperand& o : p.tail.operands) {
    if (o.lie != Lie::scalar && o.lie != Lie::channel && o.lie != Lie::full) return reason = "tail operands of a batch", false;
  }
  const int rank = y.rank() - 2;
  p.batch = Dims(std::span(y.begin(), static_cast<size_t>(rank)));
  const auto aligned = [&](const Dims& d) {
    Dims out = Dims::of_rank(rank);
    for (int i = 0; i < d.rank() - 2; ++i) out[i + rank - (d.rank() - 2)] = d[i];
    return out;
  };
  p.a_batch = aligned(a);
  p.b_batch = aligned(b);
  return true;
}

/// What of the constants was laid out anew.
struct PackedOperands {
  tactic::Packed b;
  std::vector<tactic::Packed> tail;  ///< null where the operand is read as it stands
};

class MatMulKernel final : public tactic::Kernel {
 public:
  MatMulKernel(Product product, gemm::Gemm gemm, PackedOperands packed)
      : product_(std::move(product)), gemm_(std::move(gemm)), packed_(std::move(packed)) {
    const auto strides = [&](const Dims& own, int64_t matrix) {
      Dims out = Dims::of_rank(own.rank(), 0);
      int64_t step = matrix;
      for (int i = own.rank() - 1; i >= 0; --i) {
        out[i] = own[i] == 1 ? 0 : step;
        step *= own[i];
      }
      return out;
    };
    a_strides_ = strides(product_.a_batch, product_.m * product_.k);
    b_strides_ = strides(product_.b_batch, product_.k * product_.n);
  }

  Fault run(const Exec& exec) const noexcept override {
    const int64_t products = product_.batch.count();
    if (products == 1) {
      gemm_.run(arguments(exec, 0, 0, 0), exec.team);
      return Fault::none;
    }
    auto task = [&](int thread, int threads) {
      const Team::Range range = Team::share(products, thread, threads);
      for (int64_t i = range.begin; i < range.end; ++i) {
        int64_t a_at = 0, b_at = 0, rest = i;
        for (int axis = product_.batch.rank() - 1; axis >= 0; --axis) {
          a_at += rest % product_.batch[axis] * a_strides_[axis];
          b_at += rest % product_.batch[axis] * b_strides_[axis];
          rest /= product_.batch[axis];
        }
        const int64_t c_at = i * product_.m * product_.n;
        gemm_.run_part(arguments(exec, a_at, b_at, c_at), 0, 1);
      }
    };
    exec.team.run(task);
    return Fault::none;
  }

  std::string describe() const override { return gemm_.describe(); }

 private:
  static int64_t bytes(ElementType type, int64_t elements) { return static_cast<int64_t>(byte_size(type, elements)); }

  /// Matrices that begin at these elements.
  gemm::GemmArgs arguments(const Exec& exec, int64_t a_at, int64_t b_at, int64_t c_at) const {
    gemm::GemmArgs args;
    args.a = static_cast<const std::byte*>(exec.inputs[0]) + bytes(product_.type, a_at);
    args.lda = product_.k;
    args.b = packed_.b != nullptr ? packed_.b.get() : static_cast<const std::byte*>(exec.inputs[1]) + bytes(product_.type, b_at);
    args.ldb = product_.n;
    args.c = static_cast<std::byte*>(exec.outputs[0]) + bytes(product_.result, c_at);
    args.ldc = product_.n;
    for (size_t i = 0; i < product_.tail.operands.size(); ++i) {
      const eltwise::TailOperand& o = product_.tail.operands[i];
      const auto* data = packed_.tail[i] != nullptr ? packed_.tail[i].get() : static_cast<const std::byte*>(exec.inputs[o.input]);
      args.operands[i + 1] = {o.lie == Lie::full ? data + bytes(o.type, c_at) : data, product_.n};
    }
    return args;
  }

  Product product_;
  gemm::Gemm gemm_;
  PackedOperands packed_;
  Dims a_strides_, b_strides_;
};

tactic::Verdict judge(const tactic::Query& query) {
  Product p;
  std::string reason;
  if (!read_product(query, p, reason)) return tactic::Verdict::no(reason);
  const double flops = 2.0 * static_cast<double>(p.m * p.n * p.k) * static_cast<double>(p.batch.count());
  const double bytes = p.m < 8 ? static_cast<double>(byte_size(p.type, p.n * p.k)) : 0;
  constexpr double kBytesPerUs = 20e3;
  const bool twice = p.type == ElementType::bf16 && query.machine.isa >= Isa::avx512_bf16;
  const double kFlopsPerUs = twice ? 190e3 : 95e3;
  return tactic::Verdict::yes(0.5 + (flops / kFlopsPerUs + bytes / kBytesPerUs) / query.machine.threads,
                              p.b_constant ? "packed B" : "B in place");
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext& context) {
  Product p;
  std::string reason;
  if (!read_product(query, p, reason)) return Error(ErrorCode::internal, reason);
  const gemm::Product type = p.type == ElementType::bf16 ? gemm::Product::bf16 : gemm::Product::f32;
  PackedOperands packed;
  for (eltwise::TailOperand& o : p.tail.operands) {
    const bool widened = o.lie == Lie::channel && o.type == ElementType::bf16 && query.inputs[o.input].constant != nullptr;
    packed.tail.push_back(widened ? TRY(context.pack(o.input, eltwise::pack_channels(o.type, p.n, p.n))) : nullptr);
    if (widened) o.type = ElementType::f32;
  }
  gemm::GemmSpec spec;
  spec.isa = query.machine.isa;
  spec.product = type;
  spec.c_type = p.result;
  spec.m = p.m;
  spec.n = p.n;
  spec.k = p.k;
  spec.b_packed = p.b_constant;
  spec.lda = p.k;
  if (!p.tail.program.steps.empty()) {
    spec.tail = p.tail.program;
    spec.operand_types = p.tail.operand_types();
  }
  gemm::Gemm made = TRY(gemm::Gemm::make(spec));
  if (p.b_constant) {
    const gemm::PackShape shape = gemm::PackShape::make(spec.isa, p.k, p.n, type);
    tactic::Packing packing;
    packing.recipe =
        fmt::format("gemm_b{}/{}/n{}", p.b_transposed ? "_transposed" : "", slipway::name(p.type), shape.panel_columns);
    packing.bytes = shape.bytes();
    packing.pack = [shape, transposed = p.b_transposed](const Tensor& from, std::byte* to) {
      if (transposed) {
        gemm::pack_b_transposed(shape, from.data(), shape.k, to);
      } else {
        gemm::pack_b(shape, from.data(), shape.n, to);
      }
    };
    packing.unpack = [shape, transposed = p.b_transposed](const std::byte* from, Tensor& to) {
      if (transposed) {
        gemm::unpack_b_transposed(shape, from, to.data(), shape.k);
      } else {
        gemm::unpack_b(shape, from, to.data(), shape.n);
      }
    };
    packed.b = TRY(context.pack(1, packing));
  }
  return std::unique_ptr<tactic::Kernel>(std::make_unique<MatMulKernel>(std::move(p), std::move(made), std::move(packed)));
}

}  // namespace

tactic::TacticList matmul_tactic() {
  return {{"x64.gemm", Isa::avx2, {"MatMul", "Gemm", "Group"}, judge, build}};
}

}  // namespace slipway::kernels
