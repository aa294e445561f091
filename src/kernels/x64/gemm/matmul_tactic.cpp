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
  Tail tail;
};

bool read_product(const tactic::Query& query, Product& p, std::string& reason) {
  const ops::GroupAttrs* group = ops::group_of(query.node);
  if (group != nullptr && group->kind != "matmul" && group->kind != "gemm") return reason = "not a matrix product", false;
  const Dims &a = query.inputs[0].dims, &b = query.inputs[1].dims;
  for (size_t i = 0; i < query.inputs.size(); ++i) {
    if (query.has(i) && query.inputs[i].type != ElementType::f32) return reason = "f32 only", false;
  }
  const Dims& y = query.outputs[0].dims;
  if (y.count() == 0 || a.count() == 0) return reason = "empty", false;
  const bool is_gemm = (group != nullptr ? group->body->node(0) : query.node).is("Gemm");
  if (!eltwise::read_tail(query, y.rank() - 1, is_gemm, p.tail, reason)) return false;
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

class MatMulKernel final : public tactic::Kernel {
 public:
  MatMulKernel(Product product, gemm::Gemm gemm, tactic::Packed packed)
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
    const auto* a = static_cast<const float*>(exec.inputs[0]);
    const auto* b =
        packed_ != nullptr ? reinterpret_cast<const float*>(packed_.get()) : static_cast<const float*>(exec.inputs[1]);
    auto* c = static_cast<float*>(exec.outputs[0]);
    const int64_t products = product_.batch.count();
    if (products == 1) {
      gemm_.run(arguments(exec, a, b, c, 0), exec.team);
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
        gemm_.run_part(arguments(exec, a + a_at, b + b_at, c + c_at, c_at), 0, 1);
      }
    };
    exec.team.run(task);
    return Fault::none;
  }

  std::string describe() const override { return gemm_.describe(); }

 private:
  gemm::GemmArgs arguments(const Exec& exec, const float* a, const float* b, float* c, int64_t c_at) const {
    gemm::GemmArgs args;
    args.a = a;
    args.lda = product_.k;
    args.b = b;
    args.ldb = product_.n;
    args.c = c;
    args.ldc = product_.n;
    for (size_t i = 0; i < product_.tail.operands.size(); ++i) {
      const eltwise::TailOperand& o = product_.tail.operands[i];
      const auto* data = static_cast<const float*>(exec.inputs[o.input]);
      args.operands[i + 1] = {o.lie == Lie::full ? data + c_at : data, product_.n};
    }
    return args;
  }

  Product product_;
  gemm::Gemm gemm_;
  tactic::Packed packed_;
  Dims a_strides_, b_strides_;
};

tactic::Verdict judge(const tactic::Query& query) {
  Product p;
  std::string reason;
  if (!read_product(query, p, reason)) return tactic::Verdict::no(reason);
  const double flops = 2.0 * static_cast<double>(p.m * p.n * p.k) * static_cast<double>(p.batch.count());
  const double bytes = p.m < 8 ? 4.0 * static_cast<double>(p.n * p.k) : 0;
  constexpr double kFlopsPerUs = 95e3, kBytesPerUs = 20e3;
  return tactic::Verdict::yes(0.5 + (flops / kFlopsPerUs + bytes / kBytesPerUs) / query.machine.threads,
                              p.b_constant ? "packed B" : "B in place");
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext& context) {
  Product p;
  std::string reason;
  if (!read_product(query, p, reason)) return Error(ErrorCode::internal, reason);
  gemm::GemmSpec spec;
  spec.isa = query.machine.isa;
  spec.m = p.m;
  spec.n = p.n;
  spec.k = p.k;
  spec.b_packed = p.b_constant;
  spec.lda = p.k;
  if (!p.tail.program.steps.empty()) spec.tail = p.tail.program;
  gemm::Gemm made = TRY(gemm::Gemm::make(spec));
  tactic::Packed packed;
  if (p.b_constant) {
    const gemm::PackShape shape = gemm::PackShape::make(spec.isa, p.k, p.n);
    tactic::Packing packing;
    packing.recipe = fmt::format("gemm_b{}/f32/n{}", p.b_transposed ? "_transposed" : "", shape.panel_columns);
    packing.bytes = shape.bytes();
    packing.pack = [shape, transposed = p.b_transposed](const Tensor& from, std::byte* to) {
      auto* out = reinterpret_cast<float*>(to);
      if (transposed) {
        gemm::pack_b_transposed(shape, from.as<float>(), shape.k, out);
      } else {
        gemm::pack_b(shape, from.as<float>(), shape.n, out);
      }
    };
    packing.unpack = [shape, transposed = p.b_transposed](const std::byte* from, Tensor& to) {
      const auto* in = reinterpret_cast<const float*>(from);
      if (!transposed) return gemm::unpack_b(shape, in, to.as<float>(), shape.n);
      for (int64_t n = 0; n < shape.n; ++n) {
        const float* panel = in + shape.offset(n / shape.panel_columns);
        for (int64_t k = 0; k < shape.k; ++k)
          to.as<float>()[n * shape.k + k] = panel[k * shape.panel_columns + n % shape.panel_columns];
      }
    };
    packed = TRY(context.pack(1, packing));
  }
  return std::unique_ptr<tactic::Kernel>(std::make_unique<MatMulKernel>(std::move(p), std::move(made), std::move(packed)));
}

}  // namespace

tactic::TacticList matmul_tactic() {
  return {{"x64.gemm", Isa::avx2, {"MatMul", "Gemm", "Group"}, judge, build}};
}

}  // namespace slipway::kernels
