// Operators that only move elements, as strided copies of plain buffers: Transpose, Slice, Split, Expand, Tile, Pad,
// DepthToSpace, SpaceToDepth.
#include <algorithm>
#include <vector>

#include "base/format.hpp"
#include "kernels/portable/strided_copy.hpp"
#include "kernels/registry.hpp"
#include "ops/depth_space.hpp"
#include "ops/pad.hpp"
#include "ops/slice.hpp"
#include "ops/split.hpp"
#include "ops/transpose.hpp"

namespace slipway::kernels {
namespace {

using tactic::Exec;
using tactic::Fault;
using Axis = StridedCopy::Axis;

struct Copy {
  size_t output = 0;
  std::vector<Axis> axes;
  int64_t from_offset = 0, to_offset = 0;
};

struct Work {
  std::vector<Copy> copies;
  bool fill = false;  ///< Pad: output 0 is filled with input 2 (or zero) first
};

bool constant_ints(const tactic::Query& query, size_t i, std::vector<int64_t>& out) {
  out.clear();
  if (!query.has(i)) return true;
  if (query.inputs[i].constant == nullptr) return false;
  out = to_int64s(*query.inputs[i].constant);
  return true;
}

bool read_transpose(const tactic::Query& query, Work& work, std::string& reason) {
  const Dims &in = query.inputs[0].dims, &out = query.outputs[0].dims, from = in.strides(), to = out.strides();
  const std::vector<int> perm = ops::permutation(query.node.attrs.as<ops::TransposeAttrs>(), in.rank());
  if (static_cast<int>(perm.size()) != in.rank()) return reason = "not a permutation", false;
  Copy copy;
  for (int i = 0; i < out.rank(); ++i) copy.axes.push_back({out[i], from[perm[static_cast<size_t>(i)]], to[i]});
  work.copies.push_back(std::move(copy));
  return true;
}

bool read_slice(const tactic::Query& query, Work& work, std::string& reason) {
  const Dims &in = query.inputs[0].dims, from = in.strides(), to = query.outputs[0].dims.strides();
  std::vector<int64_t> lists[4];
  for (size_t i = 0; i < 4; ++i) {
    if (!constant_ints(query, i + 1, lists[i])) return reason = "the range is not constant", false;
  }
  const auto ranges = ops::slice_ranges(in, lists[0], lists[1], lists[2], lists[3]);
  if (!ranges) return reason = ranges.error().message, false;
  Copy copy;
  for (int i = 0; i < in.rank(); ++i) {
    const ops::SliceRange& r = (*ranges)[static_cast<size_t>(i)];
    if (r.count != query.outputs[0].dims[i]) return reason = "the range does not give the output", false;
    copy.axes.push_back({r.count, r.count > 1 ? r.step * from[i] : 0, to[i]});
    copy.from_offset += r.start * from[i];
  }
  work.copies.push_back(std::move(copy));
  return true;
}

bool read_split(const tactic::Query& query, Work& work, std::string&) {
  const Dims &in = query.inputs[0].dims, from = in.strides();
  const int64_t given = query.node.attrs.as<ops::SplitAttrs>().axis;
  const int axis = static_cast<int>(given < 0 ? given + in.rank() : given);
  // The pieces' extents are those of the outputs; an unused output's follow from the list or from equal pieces.
  std::vector<int64_t> sizes;
  if (!constant_ints(query, 1, sizes)) return false;
  if (sizes.empty()) sizes = ops::equal_split(in[axis], static_cast<int64_t>(query.outputs.size()));
  if (sizes.size() != query.outputs.size()) return false;
  int64_t at = 0;
  for (size_t o = 0; o < query.outputs.size(); ++o) {
    const Dims& out = query.outputs[o].dims;
    if (!query.outputs[o].absent() && out.count() > 0) {
      const Dims to = out.strides();
      Copy copy;
      copy.output = o;
      copy.from_offset = at * from[axis];
      for (int i = 0; i < in.rank(); ++i) copy.axes.push_back({out[i], from[i], to[i]});
      work.copies.push_back(std::move(copy));
    }
    at += sizes[o];
  }
  return at == in[axis];
}

/// Expand and Tile: repeats have stride 0.
bool read_repeat(const tactic::Query& query, Work& work, std::string&) {
  const Dims &in = query.inputs[0].dims, &out = query.outputs[0].dims, from = in.strides(), to = out.strides();
  const int lead = out.rank() - in.rank();
  if (lead < 0) return false;
  Copy copy;
  for (int i = 0; i < out.rank(); ++i) {
    const int64_t extent = i < lead ? 1 : in[i - lead];
    if (extent < 1 || out[i] % extent != 0) return false;
    copy.axes.push_back({out[i] / extent, 0, to[i] * extent});
    copy.axes.push_back({extent, i < lead ? 0 : from[i - lead], to[i]});
  }
  work.copies.push_back(std::move(copy));
  return true;
}

bool read_pad(const tactic::Query& query, Work& work, std::string& reason) {
  const Dims &in = query.inputs[0].dims, &out = query.outputs[0].dims, from = in.strides(), to = out.strides();
  if (query.node.attrs.as<ops::PadAttrs>().mode != "constant") return reason = "not constant padding", false;
  std::vector<int64_t> pads, axes;
  if (!constant_ints(query, 1, pads) || !constant_ints(query, 3, axes)) return reason = "the extents are not constant", false;
  if (axes.empty()) {
    for (int i = 0; i < in.rank(); ++i) axes.push_back(i);
  }
  if (pads.size() != 2 * axes.size()) return reason = "the pads do not fit the axes", false;
  std::vector<int64_t> begins(static_cast<size_t>(in.rank()), 0);
  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t axis = axes[i] < 0 ? axes[i] + in.rank() : axes[i];
    if (axis < 0 || axis >= in.rank()) return reason = "an axis is out of range", false;
    begins[static_cast<size_t>(axis)] = pads[i];
  }
  work.fill = true;
  Copy copy;
  bool empty = false;
  for (int i = 0; i < in.rank(); ++i) {
    const int64_t begin = begins[static_cast<size_t>(i)];
    const int64_t first = std::max<int64_t>(0, begin), last = std::min(out[i], begin + in[i]);
    empty = empty || last <= first;
    copy.axes.push_back({last - first, from[i], to[i]});
    copy.from_offset += (first - begin) * from[i];
    copy.to_offset += first * to[i];
  }
  if (!empty) work.copies.push_back(std::move(copy));
  return true;
}

/// Both directions are a transposition of [N, a, b, c, H, W].
bool read_depth_space(const tactic::Query& query, Work& work, std::string& reason) {
  const Dims &in = query.inputs[0].dims, &out = query.outputs[0].dims;
  if (in.rank() != 4 || out.rank() != 4) return reason = "not four axes", false;
  const bool to_space = query.is("DepthToSpace");
  const Dims &deep = to_space ? in : out, &flat = to_space ? out : in;
  const int64_t h = deep[2], w = deep[3], depth = flat[1], b = h == 0 ? 0 : flat[2] / h;
  const bool columns_first = query.node.attrs.as<ops::DepthSpaceAttrs>().mode == "CRD";
  const int64_t plane = h * w, deep_block = columns_first ? plane : depth * plane,
                deep_channel = columns_first ? b * b * plane : plane;
  // Axes: N, channel, y, block row, x, block column, in the flat tensor's order.
  const int64_t deep_strides[] = {deep[1] * plane, deep_channel, w, b * deep_block, 1, deep_block};
  const int64_t flat_strides[] = {deep[1] * plane, plane * b * b, b * w * b, w * b, b, 1};
  const int64_t extents[] = {in[0], depth, h, b, w, b};
  Copy copy;
  for (size_t i = 0; i < 6; ++i) {
    copy.axes.push_back({extents[i], to_space ? deep_strides[i] : flat_strides[i], to_space ? flat_strides[i] : deep_strides[i]});
  }
  work.copies.push_back(std::move(copy));
  return true;
}

bool read_work(const tactic::Query& query, Work& work, std::string& reason) {
  const ElementType type = query.inputs[0].type;
  reason = "extents that do not fit";
  if (type == ElementType::string || bits(type) < 8) return reason = "packed elements or strings", false;
  if (query.inputs[0].dims.count() == 0 || (!query.outputs[0].absent() && query.outputs[0].dims.count() == 0))
    return reason = "empty", false;
  if (query.is("Transpose")) return read_transpose(query, work, reason);
  if (query.is("Slice")) return read_slice(query, work, reason);
  if (query.is("Split")) return read_split(query, work, reason);
  if (query.is("Pad")) return read_pad(query, work, reason);
  if (query.is("Expand") || query.is("Tile")) return read_repeat(query, work, reason);
  return read_depth_space(query, work, reason);
}

class MoveKernel final : public tactic::Kernel {
 public:
  MoveKernel(const tactic::Query& query, Work work) {
    const int width = bits(query.inputs[0].type) / 8;
    for (Copy& c : work.copies) parts_.push_back({c.output, StridedCopy(std::move(c.axes), c.from_offset, c.to_offset, width)});
    if (!work.fill) return;
    if (query.has(2)) {
      fill_input_ = 2;
      const Dims& out = query.outputs[0].dims;
      fill_.emplace_back(std::vector<Axis>{{out.count(), 0, 1}}, 0, 0, width);
    } else {
      zero_bytes_ = query.outputs[0].dims.count() * width;
    }
  }

  Fault run(const Exec& exec) const noexcept override {
    if (zero_bytes_ > 0 || !fill_.empty()) {
      auto fill = [&](int thread, int threads) {
        if (!fill_.empty()) return fill_.front().run(exec.inputs[fill_input_], exec.outputs[0], thread, threads);
        const Team::Range range = Team::share(zero_bytes_, thread, threads);
        auto* out = static_cast<std::byte*>(exec.outputs[0]);
        std::fill(out + range.begin, out + range.end, std::byte{0});
      };
      exec.team.run(fill);
    }
    auto task = [&](int thread, int threads) {
      for (const Part& p : parts_) p.copy.run(exec.inputs[0], exec.outputs[p.output], thread, threads);
    };
    exec.team.run(task);
    return Fault::none;
  }

 private:
  struct Part {
    size_t output;
    StridedCopy copy;
  };
  std::vector<Part> parts_;
  std::vector<StridedCopy> fill_;  ///< one or none
  size_t fill_input_ = 0;
  int64_t zero_bytes_ = 0;
};

tactic::Verdict judge(const tactic::Query& query) {
  Work work;
  std::string reason;
  if (!read_work(query, work, reason)) return tactic::Verdict::no(std::move(reason));
  constexpr double kBytesPerUs = 5e3;
  double bytes = 0;
  for (const tactic::TensorDesc& d : query.outputs)
    bytes += static_cast<double>(byte_size(d.type, d.absent() ? 0 : d.dims.count()));
  return tactic::Verdict::yes(0.5 + bytes / kBytesPerUs / query.machine.threads, "strided copy");
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext&) {
  Work work;
  std::string reason;
  if (!read_work(query, work, reason)) return Error(ErrorCode::internal, reason);
  return std::unique_ptr<tactic::Kernel>(std::make_unique<MoveKernel>(query, std::move(work)));
}

}  // namespace

tactic::TacticList move_tactic() {
  return {{"portable.move",
           Isa::portable,
           {"Transpose", "Slice", "Split", "Expand", "Tile", "Pad", "DepthToSpace", "SpaceToDepth"},
           judge,
           build}};
}

}  // namespace slipway::kernels
