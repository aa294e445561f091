#include "kernels/x64/eltwise/kernel.hpp"

#include <algorithm>
#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/format.hpp"
#include "kernels/x64/eltwise/emit.hpp"

namespace slipway::eltwise {

namespace {

using jit::Cond;
using jit::Gpr;
using jit::Mem;
using jit::Operand;
using jit::Vec;

constexpr int kLightCost = 8;          ///< up to here four vectors are taken at once
constexpr int64_t kShareColumns = 64;  ///< threads share a single row in pieces of this many columns

class Generator {
 public:
  Generator(Isa isa, const EltwiseProgram& program) : e_(program), p_(isa, "eltwise " + program.text()) {}

  jit::Program run() {
    const jit::Label next_row = p_.label(), done = p_.label();
    out_ = p_.load64(arg(offsetof(KernelArgs, out)));
    for (size_t i = 0; i < e_.operands.size(); ++i) {
      data_.push_back(p_.load64(operand_arg(i)));
      values_.push_back(e_.operands[i] == Spread::scalar ? p_.broadcast(jit::mem(data_[i])) : Vec{});
    }
    const Gpr rows = p_.load64(arg(offsetof(KernelArgs, rows)));
    column_ = p_.gpr();
    left_ = p_.gpr();
    p_.jump_if(rows, Cond::le, 0, done);
    p_.bind(next_row);
    run_row();
    advance_rows();
    p_.sub(rows, 1);
    p_.jump_if(rows, Cond::gt, 0, next_row);
    p_.bind(done);
    return std::move(p_);
  }

 private:
  Mem arg(size_t offset) const { return jit::mem(p_.args(), static_cast<int64_t>(offset)); }
  Mem operand_arg(size_t i) const { return arg(offsetof(KernelArgs, operands) + i * sizeof(KernelArgs::Matrix)); }
  static constexpr int64_t kRowBytes = offsetof(KernelArgs::Matrix, row_bytes);

  void run_row() {
    for (size_t i = 0; i < e_.operands.size(); ++i) {
      if (e_.operands[i] == Spread::row) values_[i] = p_.broadcast(jit::mem(data_[i]));
    }
    p_.set(column_, 0);
    p_.load64(arg(offsetof(KernelArgs, columns)), left_);
    if (e_.cost() <= kLightCost) vectors_while(4);
    vectors_while(1);
    const jit::Label row_done = p_.label();
    p_.jump_if(left_, Cond::le, 0, row_done);
    one_vector(0, p_.mask_below(left_));
    p_.bind(row_done);
  }

  /// A loop over `count` vectors at once for as long as there are as many.
  void vectors_while(int count) {
    const jit::Label top = p_.label(), end = p_.label();
    p_.jump_if(left_, Cond::lt, int64_t{count} * p_.lanes(), end);
    p_.bind(top);
    for (int i = 0; i < count; ++i) one_vector(i, {});
    p_.add(column_, int64_t{count} * p_.lanes() * 4);
    p_.sub(left_, int64_t{count} * p_.lanes());
    p_.jump_if(left_, Cond::ge, int64_t{count} * p_.lanes(), top);
    p_.bind(end);
  }

  Mem at(Gpr data, int vector) const { return jit::mem(data, column_, 1, int64_t{vector} * p_.lanes() * 4); }

  void one_vector(int vector, std::optional<jit::Mask> mask) {
    std::vector<Operand> operands;
    for (size_t i = 0; i < e_.operands.size(); ++i) {
      if (e_.operands[i] == Spread::row || e_.operands[i] == Spread::scalar) {
        operands.push_back(values_[i]);
      } else if (mask) {
        operands.push_back(p_.load(at(data_[i], vector), *mask));
      } else {
        operands.push_back(Operand::memory(at(data_[i], vector)));
      }
    }
    const Vec result = emit_steps(p_, e_, operands, p_.lanes());
    mask ? p_.store(at(out_, vector), result, *mask) : p_.store(at(out_, vector), result);
  }

  void advance_rows() {
    p_.add(out_, p_.load64(arg(offsetof(KernelArgs, out)).at(kRowBytes)));
    for (size_t i = 0; i < e_.operands.size(); ++i) {
      if (e_.operands[i] == Spread::full) p_.add(data_[i], p_.load64(operand_arg(i).at(kRowBytes)));
      if (e_.operands[i] == Spread::row) p_.add(data_[i], 4);
    }
  }

  const EltwiseProgram& e_;
  jit::Program p_;
  Gpr out_, column_, left_;
  std::vector<Gpr> data_;
  std::vector<Vec> values_;  ///< of row and scalar operands
};

KernelArgs::Matrix moved(const KernelArgs::Matrix& m, int64_t bytes) {
  return {static_cast<const std::byte*>(m.data) + bytes, m.row_bytes};
}

}  // namespace

Result<std::shared_ptr<const Kernel>> Kernel::make(Isa isa, const EltwiseProgram& program) {
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<const Kernel>> known;

  if (isa < Isa::avx2) return fail(ErrorCode::unsupported, "jitted elementwise kernels need AVX2, not '{}'", slipway::name(isa));
  if (!program.valid()) return fail(ErrorCode::internal, "invalid elementwise program: {}", program.text());
  const std::lock_guard lock(mutex);
  const std::string text = fmt::format("{} {}", isa >= Isa::avx512, program.text());
  if (const auto found = known.find(text); found != known.end()) {
    if (auto kernel = found->second.lock()) return kernel;
  }
  auto kernel = std::make_shared<Kernel>();
  kernel->program_ = program;
  kernel->code_ = TRY(jit::compile(Generator(isa, program).run()));
  std::erase_if(known, [](const auto& entry) { return entry.second.expired(); });
  known[text] = kernel;
  return std::shared_ptr<const Kernel>(kernel);
}

void Kernel::run(const KernelArgs& args, Team& team) const noexcept {
  if (team.size() == 1) return (*this)(args);
  const bool by_rows = args.rows >= team.size();
  const int64_t pieces = by_rows ? args.rows : (args.columns + kShareColumns - 1) / kShareColumns;
  auto task = [&](int thread, int threads) {
    const Team::Range share = Team::share(pieces, thread, threads);
    if (share.begin == share.end) return;
    KernelArgs mine = args;
    const int64_t column = by_rows ? 0 : share.begin * kShareColumns;
    const int64_t row = by_rows ? share.begin : 0;
    mine.rows = by_rows ? share.end - share.begin : args.rows;
    mine.columns = by_rows ? args.columns : std::min(args.columns, share.end * kShareColumns) - column;
    mine.out = moved(args.out, row * args.out.row_bytes + column * 4);
    for (size_t i = 0; i < program_.operands.size(); ++i) {
      const KernelArgs::Matrix& o = args.operands[i];
      switch (program_.operands[i]) {
        case Spread::full:
          mine.operands[i] = moved(o, row * o.row_bytes + column * 4);
          break;
        case Spread::column:
          mine.operands[i] = moved(o, column * 4);
          break;
        case Spread::row:
          mine.operands[i] = moved(o, row * 4);
          break;
        case Spread::scalar:
          break;
      }
    }
    (*this)(mine);
  };
  team.run(task);
}

}  // namespace slipway::eltwise
