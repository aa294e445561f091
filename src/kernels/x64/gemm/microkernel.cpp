#include "kernels/x64/gemm/microkernel.hpp"

#include <algorithm>

#include "base/format.hpp"
#include "kernels/x64/gemm/generate.hpp"
#include "kernels/x64/jit/shared.hpp"

namespace slipway::gemm {

namespace {

constexpr int kMaxPanels = 4;
constexpr int kLightTail = 8;  ///< up to this cost a tail is unrolled over the sums in registers

std::string rows_text(const Rows& rows) {
  switch (rows.kind) {
    case Rows::Kind::strided:
      return "strided";
    case Rows::Kind::constant:
      return std::to_string(rows.bytes);
    default: {
      std::string out;
      for (const int32_t d : rows.displacements) out += fmt::format("{}{}", out.empty() ? "{" : ",", d);
      return out + "}";
    }
  }
}

Status check(const MicrokernelSpec& s) {
  const auto bad = [&](std::string_view what) { return fail(ErrorCode::internal, "microkernel {}: {}", s.text(), what); };
  if (s.isa < Isa::avx2) return bad("needs AVX2");
  const int lanes = s.isa >= Isa::avx512 ? 16 : 8;
  if (s.rows < 1 || s.columns < 1 || s.k < 0 || s.rest < 0) return bad("empty");
  if (s.rest != 0 && (!s.batched || s.k == 0)) return bad("a rest follows a batch of known k");
  if (s.rows > max_rows(s.isa, s.columns, s.product)) return bad("does not fit the registers");
  if (s.panel_columns % lanes != 0 || s.c_block_columns % lanes != 0) return bad("panels and blocks hold whole vectors");
  if (s.panel_columns != 0 && s.columns > kMaxPanels * s.panel_columns) return bad("too many panels");
  if (s.c_block_columns != 0 && s.columns > 5 * s.c_block_columns) return bad("too many column blocks");
  for (const Rows* rows : {&s.a_rows, &s.c_rows}) {
    if (rows->kind == Rows::Kind::table && rows->displacements.size() != static_cast<size_t>(s.rows)) {
      return bad("one displacement a row");
    }
  }
  if (!s.tail.empty() && (!s.tail.valid() || s.tail.operands.empty() || s.tail.operands[0] != eltwise::Spread::full)) {
    return bad("invalid tail");
  }
  const auto stored = [](ElementType t) { return t == ElementType::f32 || t == ElementType::bf16; };
  if (!stored(s.c_type)) return bad("C is neither f32 nor bf16");
  for (size_t i = 1; i < s.tail.operands.size(); ++i) {
    const bool full = s.tail.operands[i] == eltwise::Spread::full;
    if (!stored(s.operand_type(i)) || (full && s.operand_type(i) != s.c_type)) return bad("an operand of another type");
  }
  return {};
}

}  // namespace

int vectors_of(Isa isa, int columns) {
  const int lanes = isa >= Isa::avx512 ? 16 : 8;
  return (columns + lanes - 1) / lanes;
}

int max_rows(Isa isa, int columns, Product product) {
  const int vectors = vectors_of(isa, columns);
  // The last k-step of an odd k holds A and all of B in registers.
  if (isa >= Isa::avx512 && product == Product::bf16 && vectors > 1) return std::max(1, std::min(28, 31 - vectors) / vectors);
  if (isa >= Isa::avx512) return vectors == 1 ? 28 : vectors > 14 ? 1 : 28 / vectors;
  return vectors > 12 ? 1 : 12 / vectors;
}

std::string MicrokernelSpec::text() const {
  std::string out = fmt::format("{} {}x{}", slipway::name(isa), rows, columns);
  out += panel_columns == 0 ? std::string(" b in place") : fmt::format(" panel {}", panel_columns);
  if (product == Product::bf16) out += " bf16";
  if (k != 0) out += fmt::format(" k {}", k);
  if (batched) out += " batched";
  if (rest != 0) out += fmt::format(" rest {}", rest);
  if (accumulate) out += " accumulate";
  if (prefetch != 0) out += fmt::format(" prefetch {}", prefetch);
  out += fmt::format(" a {} c {}", rows_text(a_rows), rows_text(c_rows));
  if (c_block_columns != 0) out += fmt::format(" blocks {}", c_block_columns);
  if (c_type != ElementType::f32) out += fmt::format(" of {}", slipway::name(c_type));
  if (!tail.empty()) out += " tail " + tail.text();
  for (const ElementType t : operand_types) out += fmt::format(" {}", slipway::name(t));
  return out;
}

Result<std::shared_ptr<const Microkernel>> Microkernel::make(const MicrokernelSpec& spec) {
  static jit::Shared<Microkernel> shared;

  TRY(check(spec));
  return shared.get(spec.text(), [&]() -> Result<std::shared_ptr<const Microkernel>> {
    auto kernel = std::make_shared<Microkernel>();
    kernel->spec_ = spec;
    kernel->staged_ = spec.tail.cost() > kLightTail;
    kernel->code_ = TRY(jit::compile(generate(kernel->spec_, kernel->staged_)));
    if (kernel->code_.spill_count() > 0 && !kernel->staged_ && !spec.tail.empty()) {
      kernel->staged_ = true;
      kernel->code_ = TRY(jit::compile(generate(kernel->spec_, true)));
    }
    return std::shared_ptr<const Microkernel>(std::move(kernel));
  });
}

std::string Microkernel::program_text() const {
  return generate(spec_, staged_).text();
}

}  // namespace slipway::gemm
