// Program::text: one operation a line.
#include <array>
#include <bit>
#include <string_view>

#include "base/format.hpp"
#include "kernels/x64/jit/program.hpp"

namespace slipway::jit {

namespace {

constexpr std::array<std::string_view, static_cast<size_t>(Op::mask_not) + 1> kNames = {"const",
                                                                                        "move",
                                                                                        "load64",
                                                                                        "load32",
                                                                                        "load16",
                                                                                        "load8",
                                                                                        "store64",
                                                                                        "prefetch",
                                                                                        "add",
                                                                                        "sub",
                                                                                        "mul",
                                                                                        "and",
                                                                                        "shl",
                                                                                        "shr",
                                                                                        "min",
                                                                                        "lea",
                                                                                        "bzhi",
                                                                                        "frame",
                                                                                        "label",
                                                                                        "jump",
                                                                                        "jump_if",
                                                                                        "load",
                                                                                        "store",
                                                                                        "load_masked",
                                                                                        "store_masked",
                                                                                        "store_lane0",
                                                                                        "broadcast",
                                                                                        "constant",
                                                                                        "zero",
                                                                                        "move",
                                                                                        "splat",
                                                                                        "add",
                                                                                        "sub",
                                                                                        "mul",
                                                                                        "div",
                                                                                        "min",
                                                                                        "max",
                                                                                        "and",
                                                                                        "or",
                                                                                        "xor",
                                                                                        "andnot",
                                                                                        "iadd",
                                                                                        "isub",
                                                                                        "imul",
                                                                                        "imin",
                                                                                        "imax",
                                                                                        "scale2",
                                                                                        "fmadd231",
                                                                                        "fnmadd231",
                                                                                        "fmadd213",
                                                                                        "dot_bf16",
                                                                                        "dot_u8s8",
                                                                                        "sqrt",
                                                                                        "round",
                                                                                        "to_int",
                                                                                        "to_int_trunc",
                                                                                        "to_float",
                                                                                        "shl",
                                                                                        "shr",
                                                                                        "sar",
                                                                                        "lane_xor",
                                                                                        "half_to_float",
                                                                                        "load_words",
                                                                                        "load_words_masked",
                                                                                        "load_words_few",
                                                                                        "pack_words",
                                                                                        "to_bf16",
                                                                                        "store_half",
                                                                                        "store_half_masked",
                                                                                        "store_words_few",
                                                                                        "half_to_float_masked",
                                                                                        "words_to_float",
                                                                                        "float_to_words",
                                                                                        "load_bytes",
                                                                                        "load_bytes_masked",
                                                                                        "shuffle_bytes",
                                                                                        "pack_bytes",
                                                                                        "store_quarter",
                                                                                        "store_quarter_masked",
                                                                                        "compare",
                                                                                        "icompare_gt",
                                                                                        "icompare_eq",
                                                                                        "blend",
                                                                                        "mask_const",
                                                                                        "mask_below",
                                                                                        "mask_from_gpr",
                                                                                        "mask_and",
                                                                                        "mask_or",
                                                                                        "mask_not"};
constexpr std::array<std::string_view, 6> kConditions = {"==", "!=", "<", "<=", ">", ">="};

class Printer {
 public:
  explicit Printer(const Program& program) : registers_(program.registers()) {}

  std::string line(const Inst& inst) const {
    if (inst.op == Op::bind) return fmt::format("L{}:", inst.imm);
    if (inst.op == Op::jump) return fmt::format("  jump L{}", inst.imm);
    if (inst.op == Op::jump_if) {
      return fmt::format("  jump L{} if {} {} {}", inst.imm, reg(inst.a), kConditions[inst.detail],
                         inst.b >= 0 ? reg(inst.b) : std::to_string(inst.disp));
    }
    std::string text = "  ";
    if (inst.dst >= 0) text += reg(inst.dst) + " = ";
    text += kNames[static_cast<size_t>(inst.op)];
    const bool general = inst.op < Op::bind;
    const auto append = [&](const std::string& word) { text += text.back() == ',' ? word : " " + word; };
    if (inst.detail != 0) append(fmt::format("#{}", inst.detail));
    if (inst.a >= 0) append(reg(inst.a));
    if (inst.b >= 0) append(reg(inst.b));
    if (inst.base >= 0) append((inst.kind == Operand::Kind::broadcast ? "each " : "") + address(inst));
    if (inst.kind == Operand::Kind::constant) {
      append(fmt::format("{:g}", std::bit_cast<float>(static_cast<uint32_t>(inst.imm))));
    } else if (inst.op == Op::mask_const || (general && inst.b < 0 && inst.base < 0 && inst.op != Op::g_move)) {
      append(std::to_string(inst.imm));
    }
    if (inst.c >= 0) append("if " + reg(inst.c));
    return text;
  }

 private:
  std::string reg(int32_t id) const {
    const VRegInfo& info = registers_[static_cast<size_t>(id)];
    if (info.cls == RegClass::gpr) return fmt::format("g{}", id);
    return fmt::format("{}{}x{}", info.cls == RegClass::vec ? 'v' : 'm', id, info.lanes);
  }

  std::string address(const Inst& inst) const {
    std::string text = "[" + reg(inst.base);
    if (inst.index >= 0) text += fmt::format(" + {}*{}", reg(inst.index), inst.scale);
    if (inst.disp != 0) text += fmt::format(" {} {}", inst.disp < 0 ? '-' : '+', std::abs(int64_t{inst.disp}));
    return text + "]";
  }

  const std::vector<VRegInfo>& registers_;
};

}  // namespace

std::string Program::text() const {
  const Printer printer(*this);
  std::string text = fmt::format("program {} {}(g0)\n", slipway::name(isa_), name_);
  for (const Inst& inst : insts_) text += printer.line(inst) + "\n";
  return text;
}

}  // namespace slipway::jit
