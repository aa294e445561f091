// The only file that sees Xbyak. Emitter holds what both families encode alike; Avx2Emitter and Avx512Emitter the rest.
#include "kernels/x64/jit/emit.hpp"

#define XBYAK_NO_EXCEPTION
#include <xbyak/xbyak.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "base/format.hpp"

namespace slipway::jit {

namespace {

using Xbyak::Address;
using Xbyak::Opmask;
using Xbyak::Reg32;
using Xbyak::Reg64;
using Xbyak::Xmm;
using Xbyak::Ymm;
using Xbyak::Zmm;

constexpr uint32_t kAllOnes = 0xFFFFFFFF;
constexpr int kFrameAlignment = 64;
constexpr std::array<int, 6> kCalleeSaved = {3, 5, 12, 13, 14, 15};

/// 32-bit words placed before the code. AVX2 operands need whole vectors, AVX-512 broadcasts a single word.
class ConstantPool {
 public:
  explicit ConstantPool(bool whole_vectors) : whole_(whole_vectors) {}

  /// Offset of `bits` repeated as the family needs it.
  int32_t splat(uint32_t bits) { return find(std::vector<uint32_t>(whole_ ? 8 : 1, bits)); }
  /// Lanes [0, count) all ones, the others zero.
  int32_t lanes_below(int count) {
    std::vector<uint32_t> words(8, 0);
    std::fill_n(words.begin(), count, kAllOnes);
    return find(words);
  }
  int32_t iota() { return find({0, 1, 2, 3, 4, 5, 6, 7}); }
  const std::vector<uint32_t>& words() const { return words_; }

 private:
  int32_t find(const std::vector<uint32_t>& entry) {
    for (size_t at = 0; at + entry.size() <= words_.size(); at += entry.size()) {
      if (std::equal(entry.begin(), entry.end(), words_.begin() + static_cast<ptrdiff_t>(at))) {
        return static_cast<int32_t>(at * 4);
      }
    }
    const size_t at = words_.size();
    words_.insert(words_.end(), entry.begin(), entry.end());
    return static_cast<int32_t>(at * 4);
  }

  bool whole_;
  std::vector<uint32_t> words_;
};

class Emitter : protected Xbyak::CodeGenerator {
 public:
  Emitter(const Program& program, const Allocation& allocation, uint8_t* bytes, size_t capacity)
      : CodeGenerator(capacity, bytes), program_(program), allocation_(allocation), pool_(!program.avx512()) {}
  virtual ~Emitter() = default;

  /// Returns the offset of the entry.
  size_t emit_all() {
    collect_constants();
    L(pool_label_);
    for (const uint32_t bits : pool_.words()) dd(bits);
    align(64);
    const size_t entry = getSize();
    labels_.resize(static_cast<size_t>(program_.label_count()));
    prologue();
    for (const Inst& inst : program_.insts()) {
      load_spilled(inst);
      emit_inst(inst);
      store_spilled(inst);
    }
    epilogue();
    return entry;
  }
  size_t size() const { return getSize(); }

 protected:
  virtual void emit_vector(const Inst& inst) = 0;
  virtual void spill_mask(int reg, int32_t slot, bool load) = 0;

  bool is_vec_constant(const Inst& inst) const { return inst.kind == Operand::Kind::constant; }
  int lanes_of(int32_t id) const { return program_.registers()[static_cast<size_t>(id)].lanes; }

  int phys(int32_t id) const {
    const int8_t r = allocation_.reg[static_cast<size_t>(id)];
    if (r >= 0) return r;
    for (const auto& [spilled, scratch] : carried_) {
      if (spilled == id) return scratch;
    }
    return 0;
  }
  Reg64 g(int32_t id) const { return Reg64(phys(id)); }
  Reg32 g32(int32_t id) const { return Reg32(phys(id)); }
  static Xmm wide(int reg, int lanes) {
    return Xmm(lanes == 16 ? Xbyak::Operand::ZMM : lanes == 8 ? Xbyak::Operand::YMM : Xbyak::Operand::XMM, reg);
  }
  Xmm v(int32_t id) const { return wide(phys(id), lanes_of(id)); }
  /// A source at the width of the operation: that of its vector destination, else of its first source.
  Xmm source(const Inst& inst, int32_t id) const {
    const bool to_mask = inst.dst < 0 || program_.registers()[static_cast<size_t>(inst.dst)].cls != RegClass::vec;
    return wide(phys(id), lanes_of(to_mask ? inst.a : inst.dst));
  }
  /// The lower half of a register of 8 or 16 lanes.
  Xmm half(int32_t id) const { return wide(phys(id), lanes_of(id) / 2); }
  Xmm low(int32_t id) const { return Xmm(phys(id)); }

  Xbyak::RegExp location(const Inst& inst) const {
    Xbyak::RegExp e(g(inst.base));
    if (inst.index >= 0) e = e + g(inst.index) * inst.scale;
    return e + inst.disp;
  }
  Address at(const Inst& inst) const { return ptr[location(inst)]; }
  Address in_pool(int32_t offset) const { return ptr[rip + pool_label_ + offset]; }

  /// Calls encode(operand) with the second source of `inst` as an Xbyak operand.
  template <class F>
  void with_operand(const Inst& inst, F encode) {
    switch (inst.kind) {
      case Operand::Kind::vec:
        encode(static_cast<const Xbyak::Operand&>(source(inst, inst.b)));
        break;
      case Operand::Kind::mem:
        encode(static_cast<const Xbyak::Operand&>(at(inst)));
        break;
      case Operand::Kind::broadcast:
        encode(static_cast<const Xbyak::Operand&>(ptr_b[location(inst)]));
        break;
      case Operand::Kind::constant: {
        const int32_t offset = pool_.splat(static_cast<uint32_t>(inst.imm));
        encode(static_cast<const Xbyak::Operand&>(program_.avx512() ? ptr_b[rip + pool_label_ + offset] : in_pool(offset)));
        break;
      }
    }
  }

  const Program& program_;
  const Allocation& allocation_;
  ConstantPool pool_;

 private:
  void collect_constants() {
    for (const Inst& inst : program_.insts()) {
      if (inst.op < Op::load) continue;
      if (inst.kind == Operand::Kind::constant) pool_.splat(static_cast<uint32_t>(inst.imm));
      if (program_.avx512()) continue;
      if (inst.op == Op::mask_const) pool_.lanes_below(static_cast<int>(inst.imm));
      if (inst.op == Op::mask_below) pool_.iota();
      if (inst.op == Op::mask_not) pool_.splat(kAllOnes);
    }
  }

  /// Spilled registers first, then frames, with room to align them.
  uint32_t stack_bytes() const {
    const int64_t frames = program_.frame_bytes() > 0 ? program_.frame_bytes() + kFrameAlignment : 0;
    return static_cast<uint32_t>(allocation_.stack_bytes + frames);
  }

  void prologue() {
    for (const int r : kCalleeSaved) {
      if ((allocation_.gprs_used >> r & 1U) != 0) push(Reg64(r));
    }
    if (stack_bytes() > 0) sub(rsp, stack_bytes());
    if (allocation_.slot[0] >= 0) mov(qword[rsp + allocation_.slot[0]], rdi);
  }

  void epilogue() {
    if (stack_bytes() > 0) add(rsp, stack_bytes());
    for (auto r = kCalleeSaved.rbegin(); r != kCalleeSaved.rend(); ++r) {
      if ((allocation_.gprs_used >> *r & 1U) != 0) pop(Reg64(*r));
    }
    vzeroupper();
    ret();
  }

  void move_spilled(int32_t id, int scratch, bool load) {
    const VRegInfo& info = program_.registers()[static_cast<size_t>(id)];
    const int32_t slot = allocation_.slot[static_cast<size_t>(id)];
    const Address where = ptr[rsp + slot];
    switch (file_of(info.cls, program_.avx512())) {
      case File::gpr:
        load ? mov(Reg64(scratch), where) : mov(where, Reg64(scratch));
        break;
      case File::vec: {
        const Xmm x = wide(scratch, info.lanes);
        load ? vmovups(x, where) : vmovups(where, x);
        break;
      }
      case File::mask:
        spill_mask(scratch, slot, load);
        break;
    }
  }

  int carry(int32_t id) {
    for (const auto& [spilled, scratch] : carried_) {
      if (spilled == id) return scratch;
    }
    const auto file = static_cast<size_t>(file_of(program_.registers()[static_cast<size_t>(id)].cls, program_.avx512()));
    const int scratch = allocation_.scratch[file][carried_count_[file]++];
    carried_.emplace_back(id, scratch);
    return scratch;
  }

  bool on_stack(int32_t id) const { return id >= 0 && allocation_.slot[static_cast<size_t>(id)] >= 0; }

  void load_spilled(const Inst& inst) {
    if (allocation_.spills == 0) return;
    carried_.clear();
    carried_count_.fill(0);
    for (const int32_t id : reads(inst)) {
      if (on_stack(id)) move_spilled(id, carry(id), true);
    }
    if (!on_stack(inst.dst)) return;
    // All sources are read before the destination is written, so it may take the place of a carried source of its file.
    const auto file = static_cast<size_t>(file_of(program_.registers()[static_cast<size_t>(inst.dst)].cls, program_.avx512()));
    if (carried_count_[file] == allocation_.scratch[file].size() && phys_of_carried(inst.dst) < 0) {
      carried_.emplace_back(inst.dst, allocation_.scratch[file].front());
    } else {
      carry(inst.dst);
    }
  }

  int phys_of_carried(int32_t id) const {
    for (const auto& [spilled, scratch] : carried_) {
      if (spilled == id) return scratch;
    }
    return -1;
  }

  void store_spilled(const Inst& inst) {
    if (allocation_.spills != 0 && on_stack(inst.dst)) move_spilled(inst.dst, phys(inst.dst), false);
  }

  void emit_inst(const Inst& inst) {
    if (inst.op < Op::bind) {
      emit_general(inst);
    } else if (inst.op < Op::load) {
      emit_control(inst);
    } else if (!emit_shared(inst)) {
      emit_vector(inst);
    }
  }

  void load_immediate(const Reg64& dst, int64_t value) {
    if (value == 0) {
      xor_(Reg32(dst.getIdx()), Reg32(dst.getIdx()));
    } else {
      mov(dst, static_cast<uint64_t>(value));
    }
  }

  void emit_general(const Inst& inst) {
    const bool immediate = inst.b < 0;
    const auto imm = static_cast<uint32_t>(inst.imm);
    switch (inst.op) {
      case Op::g_const:
        return load_immediate(g(inst.dst), inst.imm);
      case Op::g_move:
        return mov(g(inst.dst), g(inst.a));
      case Op::g_load:
        return mov(g(inst.dst), at(inst));
      case Op::g_load32:
        return movsxd(g(inst.dst), dword[location(inst)]);
      case Op::g_load16:
        return movzx(g32(inst.dst), word[location(inst)]);
      case Op::g_store:
        return mov(at(inst), g(inst.a));
      case Op::g_prefetch:
        return prefetcht0(ptr[location(inst)]);
      case Op::g_add:
        return immediate ? add(g(inst.dst), imm) : add(g(inst.dst), g(inst.b));
      case Op::g_sub:
        return immediate ? sub(g(inst.dst), imm) : sub(g(inst.dst), g(inst.b));
      case Op::g_mul:
        return immediate ? imul(g(inst.dst), g(inst.dst), static_cast<int>(imm)) : imul(g(inst.dst), g(inst.b));
      case Op::g_and:
        return and_(g(inst.dst), imm);
      case Op::g_shl:
        return shl(g(inst.dst), static_cast<int>(imm));
      case Op::g_shr:
        return shr(g(inst.dst), static_cast<int>(imm));
      case Op::g_min:
        cmp(g(inst.dst), g(inst.b));
        return cmovg(g(inst.dst), g(inst.b));
      case Op::g_lea:
        return lea(g(inst.dst), at(inst));
      case Op::g_bzhi:
        return bzhi(g(inst.dst), g(inst.dst), g(inst.b));
      case Op::g_load8:
        return movzx(g32(inst.dst), byte[location(inst)]);
      case Op::g_frame:
        lea(g(inst.dst), ptr[rsp + (allocation_.stack_bytes + kFrameAlignment - 1)]);
        and_(g(inst.dst), -kFrameAlignment);
        if (inst.imm != 0) add(g(inst.dst), imm);
        return;
      default:
        return;
    }
  }

  void emit_control(const Inst& inst) {
    Xbyak::Label& target = labels_[static_cast<size_t>(inst.imm)];
    if (inst.op == Op::bind) return L(target);
    if (inst.op == Op::jump) return jmp(target, T_NEAR);
    if (inst.b >= 0) {
      cmp(g(inst.a), g(inst.b));
    } else if (inst.disp == 0) {
      test(g(inst.a), g(inst.a));
    } else {
      cmp(g(inst.a), static_cast<uint32_t>(inst.disp));
    }
    switch (static_cast<Cond>(inst.detail)) {
      case Cond::eq:
        return je(target, T_NEAR);
      case Cond::ne:
        return jne(target, T_NEAR);
      case Cond::lt:
        return jl(target, T_NEAR);
      case Cond::le:
        return jle(target, T_NEAR);
      case Cond::gt:
        return jg(target, T_NEAR);
      case Cond::ge:
        return jge(target, T_NEAR);
    }
  }

  /// Vector operations whose mnemonic is the same in both families.
  bool emit_shared(const Inst& inst) {
    switch (inst.op) {
      case Op::load:
        vmovups(v(inst.dst), at(inst));
        return true;
      case Op::store:
        vmovups(at(inst), v(inst.a));
        return true;
      case Op::store_lane:
        vmovss(at(inst), low(inst.a));
        return true;
      case Op::broadcast:
        vbroadcastss(v(inst.dst), at(inst));
        return true;
      case Op::move:
        vmovaps(v(inst.dst), source(inst, inst.a));
        return true;
      case Op::add:
        with_operand(inst, [&](const auto& b) { vaddps(v(inst.dst), source(inst, inst.a), b); });
        return true;
      case Op::sub:
        with_operand(inst, [&](const auto& b) { vsubps(v(inst.dst), source(inst, inst.a), b); });
        return true;
      case Op::mul:
        with_operand(inst, [&](const auto& b) { vmulps(v(inst.dst), source(inst, inst.a), b); });
        return true;
      case Op::div:
        with_operand(inst, [&](const auto& b) { vdivps(v(inst.dst), source(inst, inst.a), b); });
        return true;
      case Op::min:
        with_operand(inst, [&](const auto& b) { vminps(v(inst.dst), source(inst, inst.a), b); });
        return true;
      case Op::max:
        with_operand(inst, [&](const auto& b) { vmaxps(v(inst.dst), source(inst, inst.a), b); });
        return true;
      case Op::bit_and:
        with_operand(inst, [&](const auto& b) { vandps(v(inst.dst), source(inst, inst.a), b); });
        return true;
      case Op::bit_or:
        with_operand(inst, [&](const auto& b) { vorps(v(inst.dst), source(inst, inst.a), b); });
        return true;
      case Op::bit_xor:
        with_operand(inst, [&](const auto& b) { vxorps(v(inst.dst), source(inst, inst.a), b); });
        return true;
      case Op::bit_andnot:
        with_operand(inst, [&](const auto& b) { vandnps(v(inst.dst), source(inst, inst.a), b); });
        return true;
      case Op::iadd:
        with_operand(inst, [&](const auto& b) { vpaddd(v(inst.dst), source(inst, inst.a), b); });
        return true;
      case Op::isub:
        with_operand(inst, [&](const auto& b) { vpsubd(v(inst.dst), source(inst, inst.a), b); });
        return true;
      case Op::imul:
        with_operand(inst, [&](const auto& b) { vpmulld(v(inst.dst), source(inst, inst.a), b); });
        return true;
      case Op::imin:
        with_operand(inst, [&](const auto& b) { vpminsd(v(inst.dst), source(inst, inst.a), b); });
        return true;
      case Op::imax:
        with_operand(inst, [&](const auto& b) { vpmaxsd(v(inst.dst), source(inst, inst.a), b); });
        return true;
      case Op::fmadd231:
        with_operand(inst, [&](const auto& b) { vfmadd231ps(v(inst.dst), source(inst, inst.a), b); });
        return true;
      case Op::fnmadd231:
        with_operand(inst, [&](const auto& b) { vfnmadd231ps(v(inst.dst), source(inst, inst.a), b); });
        return true;
      case Op::fmadd213:
        with_operand(inst, [&](const auto& b) { vfmadd213ps(v(inst.dst), source(inst, inst.a), b); });
        return true;
      case Op::sqrt:
        vsqrtps(v(inst.dst), source(inst, inst.a));
        return true;
      case Op::to_int:
        vcvtps2dq(v(inst.dst), source(inst, inst.a));
        return true;
      case Op::to_int_trunc:
        vcvttps2dq(v(inst.dst), source(inst, inst.a));
        return true;
      case Op::to_float:
        vcvtdq2ps(v(inst.dst), source(inst, inst.a));
        return true;
      case Op::shl:
        vpslld(v(inst.dst), source(inst, inst.a), inst.detail);
        return true;
      case Op::shr:
        vpsrld(v(inst.dst), source(inst, inst.a), inst.detail);
        return true;
      case Op::sar:
        vpsrad(v(inst.dst), source(inst, inst.a), inst.detail);
        return true;
      case Op::half_to_float:
        vcvtph2ps(v(inst.dst), at(inst));
        return true;
      case Op::words_to_float:
        vcvtph2ps(v(inst.dst), half(inst.a));
        return true;
      case Op::float_to_words:
        vcvtps2ph(half(inst.dst), source(inst, inst.a), 0);
        return true;
      case Op::load_bytes:
        inst.detail != 0 ? vpmovsxbd(v(inst.dst), at(inst)) : vpmovzxbd(v(inst.dst), at(inst));
        return true;
      case Op::shuffle_bytes:
        with_operand(inst, [&](const auto& b) { vpshufb(v(inst.dst), source(inst, inst.a), b); });
        return true;
      case Op::load_words:
        vpmovzxwd(v(inst.dst), at(inst));
        return true;
      case Op::store_half:
        vmovups(at(inst), half(inst.a));
        return true;
      default:
        return false;
    }
  }

  Xbyak::Label pool_label_;
  std::vector<Xbyak::Label> labels_;
  std::vector<std::pair<int32_t, int>> carried_;  ///< spilled register, scratch register that carries it now
  std::array<size_t, kFiles> carried_count_{};
};

class Avx2Emitter final : public Emitter {
 public:
  using Emitter::Emitter;

 private:
  void spill_mask(int, int32_t, bool) override {}  // masks are vectors here

  void emit_vector(const Inst& inst) override {
    switch (inst.op) {
      case Op::load_masked:
        return vmaskmovps(v(inst.dst), v(inst.c), at(inst));
      case Op::store_masked:
        return vmaskmovps(at(inst), v(inst.c), v(inst.a));
      case Op::load_words_few:
        vpxor(low(inst.dst), low(inst.dst), low(inst.dst));
        for (int i = 0; i < inst.detail; ++i) vpinsrw(low(inst.dst), low(inst.dst), ptr[location(inst) + 2 * i], i);
        return vpmovzxwd(v(inst.dst), low(inst.dst));
      case Op::pack_words:
        vpackusdw(v(inst.dst), source(inst, inst.a), source(inst, inst.a));
        if (lanes_of(inst.dst) == 8) vpermq(Ymm(phys(inst.dst)), Ymm(phys(inst.dst)), 0x08);
        return;
      case Op::store_words_few:
        for (int i = 0; i < inst.detail; ++i) vpextrw(ptr[location(inst) + 2 * i], low(inst.a), static_cast<uint8_t>(i));
        return;
      case Op::constant:
        return vmovaps(v(inst.dst), in_pool(pool_.splat(static_cast<uint32_t>(inst.imm))));
      case Op::zero:
        return vxorps(low(inst.dst), low(inst.dst), low(inst.dst));
      case Op::splat:
        vmovd(low(inst.dst), g32(inst.a));
        return vpbroadcastd(v(inst.dst), low(inst.dst));
      case Op::round:
        return vroundps(v(inst.dst), source(inst, inst.a), static_cast<uint8_t>(inst.detail | 8));
      case Op::lane_xor:
        if (inst.detail == 4) return vperm2f128(Ymm(phys(inst.dst)), Ymm(phys(inst.a)), Ymm(phys(inst.a)), 1);
        return vpermilps(v(inst.dst), source(inst, inst.a), inst.detail == 1 ? 0xB1 : 0x4E);
      case Op::compare:
        return with_operand(inst, [&](const auto& b) { vcmpps(v(inst.dst), source(inst, inst.a), b, inst.detail); });
      case Op::icompare_gt:
        return with_operand(inst, [&](const auto& b) { vpcmpgtd(v(inst.dst), source(inst, inst.a), b); });
      case Op::icompare_eq:
        return with_operand(inst, [&](const auto& b) { vpcmpeqd(v(inst.dst), source(inst, inst.a), b); });
      case Op::blend:
        return with_operand(inst, [&](const auto& b) { vblendvps(v(inst.dst), source(inst, inst.a), b, v(inst.c)); });
      case Op::mask_const:
        return vmovaps(v(inst.dst), in_pool(pool_.lanes_below(static_cast<int>(inst.imm))));
      case Op::mask_below:
        vmovd(low(inst.dst), g32(inst.a));
        vpbroadcastd(v(inst.dst), low(inst.dst));
        return vpcmpgtd(v(inst.dst), v(inst.dst), in_pool(pool_.iota()));
      case Op::mask_and:
        return vandps(v(inst.dst), source(inst, inst.a), v(inst.b));
      case Op::mask_or:
        return vorps(v(inst.dst), source(inst, inst.a), v(inst.b));
      case Op::mask_not:
        return vxorps(v(inst.dst), source(inst, inst.a), in_pool(pool_.splat(kAllOnes)));
      default:
        return Xbyak::local::SetError(Xbyak::ERR_NOT_SUPPORTED);
    }
  }
};

class Avx512Emitter final : public Emitter {
 public:
  using Emitter::Emitter;

 private:
  void spill_mask(int reg, int32_t slot, bool load) override {
    load ? kmovw(Opmask(reg), word[rsp + slot]) : kmovw(word[rsp + slot], Opmask(reg));
  }
  Opmask k(int32_t id) const { return Opmask(phys(id)); }

  void swap_quarters(const Inst& inst) {
    const int dst = phys(inst.dst), a = phys(inst.a);
    if (lanes_of(inst.dst) == 8) return vshuff32x4(Ymm(dst), Ymm(a), Ymm(a), 1);
    vshuff32x4(Zmm(dst), Zmm(a), Zmm(a), inst.detail == 8 ? 0x4E : 0xB1);
  }

  void emit_vector(const Inst& inst) override {
    switch (inst.op) {
      case Op::load_masked:
        return vmovups(v(inst.dst) | k(inst.c) | T_z, at(inst));
      case Op::store_masked:
        return vmovups(at(inst) | k(inst.c), v(inst.a));
      case Op::half_to_float_masked:
        return vcvtph2ps(v(inst.dst) | k(inst.c) | T_z, at(inst));
      case Op::load_bytes_masked:
        return inst.detail != 0 ? vpmovsxbd(v(inst.dst) | k(inst.c) | T_z, at(inst))
                                : vpmovzxbd(v(inst.dst) | k(inst.c) | T_z, at(inst));
      case Op::pack_bytes:
        return vpmovdb(low(inst.dst), source(inst, inst.a));
      case Op::store_quarter:
        return vmovups(at(inst), low(inst.a));
      case Op::store_quarter_masked:
        return vmovdqu8(at(inst) | k(inst.c), low(inst.a));
      case Op::load_words_masked:
        return vpmovzxwd(v(inst.dst) | k(inst.c) | T_z, at(inst));
      case Op::pack_words:
        return vpmovdw(half(inst.dst), source(inst, inst.a));
      case Op::to_bf16:
        return vcvtneps2bf16(half(inst.dst), source(inst, inst.a));
      case Op::store_half_masked:
        return vmovdqu16(at(inst) | k(inst.c), half(inst.a));
      case Op::constant:
        return vbroadcastss(v(inst.dst), in_pool(pool_.splat(static_cast<uint32_t>(inst.imm))));
      case Op::zero: {
        const Xmm x = phys(inst.dst) < 16 ? low(inst.dst) : v(inst.dst);
        return vxorps(x, x, x);
      }
      case Op::splat:
        return vpbroadcastd(v(inst.dst), g32(inst.a));
      case Op::scale2:
        return with_operand(inst, [&](const auto& b) { vscalefps(v(inst.dst), source(inst, inst.a), b); });
      case Op::dot_bf16:
        return with_operand(inst, [&](const auto& b) { vdpbf16ps(v(inst.dst), source(inst, inst.a), b); });
      case Op::dot_u8s8:
        return with_operand(inst, [&](const auto& b) { vpdpbusd(v(inst.dst), source(inst, inst.a), b, Xbyak::EvexEncoding); });
      case Op::round:
        return vrndscaleps(v(inst.dst), source(inst, inst.a), static_cast<uint8_t>(inst.detail | 8));
      case Op::lane_xor:
        if (inst.detail >= 4) return swap_quarters(inst);
        return vpermilps(v(inst.dst), source(inst, inst.a), inst.detail == 1 ? 0xB1 : 0x4E);
      case Op::compare:
        return with_operand(inst, [&](const auto& b) { vcmpps(k(inst.dst), source(inst, inst.a), b, inst.detail); });
      case Op::icompare_gt:
        return with_operand(inst, [&](const auto& b) { vpcmpgtd(k(inst.dst), source(inst, inst.a), b); });
      case Op::icompare_eq:
        return with_operand(inst, [&](const auto& b) { vpcmpeqd(k(inst.dst), source(inst, inst.a), b); });
      case Op::blend:
        return with_operand(inst, [&](const auto& b) { vblendmps(v(inst.dst) | k(inst.c), source(inst, inst.a), b); });
      case Op::mask_from_gpr:
        return kmovw(k(inst.dst), g32(inst.a));
      case Op::mask_and:
        return kandw(k(inst.dst), k(inst.a), k(inst.b));
      case Op::mask_or:
        return korw(k(inst.dst), k(inst.a), k(inst.b));
      case Op::mask_not:
        return knotw(k(inst.dst), k(inst.a));
      default:
        return Xbyak::local::SetError(Xbyak::ERR_NOT_SUPPORTED);
    }
  }
};

template <class Family>
size_t encode(const Program& program, const Allocation& allocation, Encoded& out, size_t capacity) {
  Family emitter(program, allocation, out.bytes.get(), capacity);
  const size_t entry = emitter.emit_all();
  out.size = emitter.size();
  return entry;
}

}  // namespace

Result<Encoded> emit(const Program& program, const Allocation& allocation) {
  const size_t per_inst = allocation.spills > 0 ? 96 : 48;  // an encoding, and for AVX2 at most one new constant
  const auto few = std::count_if(program.insts().begin(), program.insts().end(),
                                 [](const Inst& i) { return i.op == Op::load_words_few || i.op == Op::store_words_few; });
  const size_t capacity = (program.insts().size() + 2 * static_cast<size_t>(few)) * per_inst + 1024;
  Encoded encoded;
  encoded.bytes = std::unique_ptr<uint8_t[]>(new uint8_t[capacity]);
  Xbyak::ClearError();
  encoded.entry = program.avx512() ? encode<Avx512Emitter>(program, allocation, encoded, capacity)
                                   : encode<Avx2Emitter>(program, allocation, encoded, capacity);
  if (const int code = Xbyak::GetError(); code != Xbyak::ERR_NONE) {
    Xbyak::ClearError();
    return fail(ErrorCode::internal, "cannot encode jitted code of '{}': {}", program.name(), Xbyak::ConvertErrorToString(code));
  }
  return encoded;
}

}  // namespace slipway::jit
