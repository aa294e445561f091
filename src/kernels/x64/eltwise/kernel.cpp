#include "kernels/x64/eltwise/kernel.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
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

/// AVX2 has no masked moves of narrow elements: the last columns of a row go through a buffer of one vector.
bool needs_whole_vectors(Isa isa, const EltwiseProgram& program) {
  if (isa >= Isa::avx512) return false;
  bool narrow = bits(program.result_type()) < 32;
  for (size_t i = 0; i < program.operands.size(); ++i) narrow = narrow || bits(program.type(i)) < 32;
  return narrow;
}

class Generator {
 public:
  Generator(Isa isa, const EltwiseProgram& program) : e_(program), p_(isa, "eltwise " + program.text()) {}

  jit::Program run() {
    const jit::Label next_row = p_.label(), done = p_.label();
    out_ = p_.load64(arg(offsetof(KernelArgs, out)));
    for (size_t i = 0; i < e_.operands.size(); ++i) {
      data_.push_back(p_.load64(operand_arg(i)));
      values_.push_back(e_.operands[i] == Spread::scalar ? broadcast(i) : Vec{});
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
      if (e_.operands[i] == Spread::row) values_[i] = broadcast(i);
    }
    p_.set(column_, 0);
    p_.load64(arg(offsetof(KernelArgs, columns)), left_);
    if (e_.cost() <= kLightCost) vectors_while(4);
    vectors_while(1);
    if (needs_whole_vectors(p_.isa(), e_)) return;
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
    p_.add(column_, int64_t{count} * p_.lanes());
    p_.sub(left_, int64_t{count} * p_.lanes());
    p_.jump_if(left_, Cond::ge, int64_t{count} * p_.lanes(), top);
    p_.bind(end);
  }

  Mem at(Gpr data, int vector, ElementType type) const {
    const int width = bits(type) / 8;
    return jit::mem(data, column_, width, int64_t{vector} * p_.lanes() * width);
  }

  Vec broadcast(size_t i) {
    const ElementType type = e_.type(i);
    const Mem from = jit::mem(data_[i]);
    switch (bits(type)) {
      case 8: {
        const Vec byte = p_.splat(p_.load8(from));
        if (type == ElementType::boolean) return p_.imin(byte, Operand::constant_bits(1));
        return type == ElementType::i8 ? p_.sar(p_.shl(byte, 24), 24) : byte;
      }
      case 16: {
        const Gpr word = p_.load16(from);
        if (type == ElementType::f16) return p_.splat_float16(word);
        const Vec lanes = p_.splat(word);
        if (type == ElementType::bf16) return p_.shl(lanes, 16);
        return type == ElementType::i16 ? p_.sar(p_.shl(lanes, 16), 16) : lanes;
      }
      default:
        return p_.broadcast(from);
    }
  }

  Operand load(size_t i, int vector, std::optional<jit::Mask> mask) {
    const ElementType type = e_.type(i);
    const Mem from = at(data_[i], vector, type);
    if (bits(type) == 32) return mask ? Operand(p_.load(from, *mask)) : Operand::memory(from);
    if (bits(type) == 8) {
      const bool is_signed = type == ElementType::i8;
      const Vec lanes = mask ? p_.load_bytes(from, is_signed, *mask) : p_.load_bytes(from, is_signed);
      return type == ElementType::boolean ? p_.imin(lanes, Operand::constant_bits(1)) : lanes;
    }
    if (type == ElementType::f16) return mask ? p_.load_half(from, *mask) : p_.load_half(from);
    const Vec words = mask ? p_.load_words(from, {0, *mask}, p_.lanes()) : p_.load_words(from);
    if (type == ElementType::bf16) return p_.shl(words, 16);
    return type == ElementType::i16 ? p_.sar(p_.shl(words, 16), 16) : words;
  }

  void store(int vector, Vec value, std::optional<jit::Mask> mask) {
    const ElementType type = e_.result_type();
    const Mem to = at(out_, vector, type);
    if (bits(type) == 32) return mask ? p_.store(to, value, *mask) : p_.store(to, value);
    if (bits(type) == 8) return mask ? p_.store_bytes(to, value, *mask) : p_.store_bytes(to, value);
    if (type == ElementType::f16) return mask ? p_.store_float16(to, value, *mask) : p_.store_float16(to, value);
    const Vec words = type == ElementType::bf16 ? emit_bf16_bits(p_, value) : value;
    mask ? p_.store_words(to, words, {0, *mask}) : p_.store_words(to, words);
  }

  void one_vector(int vector, std::optional<jit::Mask> mask) {
    std::vector<Operand> operands;
    for (size_t i = 0; i < e_.operands.size(); ++i) {
      const bool repeated = e_.operands[i] == Spread::row || e_.operands[i] == Spread::scalar;
      operands.push_back(repeated ? Operand(values_[i]) : load(i, vector, mask));
    }
    store(vector, emit_steps(p_, e_, operands, p_.lanes()), mask);
  }

  void advance_rows() {
    p_.add(out_, p_.load64(arg(offsetof(KernelArgs, out)).at(kRowBytes)));
    for (size_t i = 0; i < e_.operands.size(); ++i) {
      if (e_.operands[i] == Spread::full) p_.add(data_[i], p_.load64(operand_arg(i).at(kRowBytes)));
      if (e_.operands[i] == Spread::row) p_.add(data_[i], bits(e_.type(i)) / 8);
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

/// A part of a call: from this row and column on.
KernelArgs part_of(const KernelArgs& args, const EltwiseProgram& program, int64_t row, int64_t column) {
  KernelArgs part = args;
  part.out = moved(args.out, row * args.out.row_bytes + column * (bits(program.result_type()) / 8));
  for (size_t i = 0; i < program.operands.size(); ++i) {
    const int64_t width = bits(program.type(i)) / 8;
    const KernelArgs::Matrix& o = args.operands[i];
    switch (program.operands[i]) {
      case Spread::full:
        part.operands[i] = moved(o, row * o.row_bytes + column * width);
        break;
      case Spread::column:
        part.operands[i] = moved(o, column * width);
        break;
      case Spread::row:
        part.operands[i] = moved(o, row * width);
        break;
      case Spread::scalar:
        break;
    }
  }
  return part;
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
  kernel->whole_vectors_ = needs_whole_vectors(isa, program);
  kernel->code_ = TRY(jit::compile(Generator(isa, program).run()));
  std::erase_if(known, [](const auto& entry) { return entry.second.expired(); });
  known[text] = kernel;
  return std::shared_ptr<const Kernel>(kernel);
}

void Kernel::operator()(const KernelArgs& args) const noexcept {
  const int64_t whole = args.columns / kNarrowLanes * kNarrowLanes;
  if (!whole_vectors_ || whole == args.columns) return code_(&args);
  if (whole > 0) {
    KernelArgs most = args;
    most.columns = whole;
    code_(&most);
  }
  for (int64_t row = 0; row < args.rows; ++row) last_columns(part_of(args, program_, row, whole), args.columns - whole);
}

void Kernel::last_columns(const KernelArgs& args, int64_t columns) const noexcept {
  alignas(64) std::array<std::array<std::byte, kNarrowLanes * 4>, kMaxOperands + 1> buffers{};
  KernelArgs one = args;
  one.rows = 1;
  one.columns = kNarrowLanes;
  for (size_t i = 0; i < program_.operands.size(); ++i) {
    if (program_.operands[i] == Spread::row || program_.operands[i] == Spread::scalar) continue;
    std::memcpy(buffers[i].data(), args.operands[i].data, static_cast<size_t>(columns * (bits(program_.type(i)) / 8)));
    one.operands[i].data = buffers[i].data();
  }
  one.out.data = buffers.back().data();
  code_(&one);
  std::memcpy(const_cast<void*>(args.out.data), buffers.back().data(),
              static_cast<size_t>(columns * (bits(program_.result_type()) / 8)));
}

void Kernel::run(const KernelArgs& args, Team& team) const noexcept {
  if (team.size() == 1) return (*this)(args);
  const bool by_rows = args.rows >= team.size();
  const int64_t pieces = by_rows ? args.rows : (args.columns + kShareColumns - 1) / kShareColumns;
  auto task = [&](int thread, int threads) {
    const Team::Range share = Team::share(pieces, thread, threads);
    if (share.begin == share.end) return;
    const int64_t column = by_rows ? 0 : share.begin * kShareColumns;
    const int64_t row = by_rows ? share.begin : 0;
    KernelArgs mine = part_of(args, program_, row, column);
    mine.rows = by_rows ? share.end - share.begin : args.rows;
    mine.columns = by_rows ? args.columns : std::min(args.columns, share.end * kShareColumns) - column;
    (*this)(mine);
  };
  team.run(task);
}

}  // namespace slipway::eltwise
