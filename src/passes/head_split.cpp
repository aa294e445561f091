#include "passes/head_split.hpp"

#include <algorithm>

#include "ops/gather.hpp"
#include "ops/slice.hpp"
#include "ops/split.hpp"
#include "ops/transpose.hpp"

namespace slipway::passes {
namespace {

/// One axis of a value seen from the source: it walks the source's axis `from` in steps of `step`.
struct Axis {
  int from = 0;
  int64_t step = 1;
  ir::Dim extent;
};

/// A value as a view of the source; only the channels are ever cut.
struct View {
  std::vector<Axis> axes;
  int64_t offset = 0;  ///< in channels
};

constexpr int kChannels = 2;

std::optional<int64_t> axis_in(int64_t axis, size_t rank) {
  if (axis < 0) axis += static_cast<int64_t>(rank);
  return axis < 0 || axis >= static_cast<int64_t>(rank) ? std::nullopt : std::optional(axis);
}

/// Keeps [start, start + count) of an axis that walks the channels.
bool cut(View& view, int64_t axis, int64_t start, int64_t count) {
  Axis& a = view.axes[static_cast<size_t>(axis)];
  if (a.from != kChannels || !a.extent.known() || start < 0 || count < 1 || start + count > a.extent.value()) return false;
  view.offset += start * a.step;
  a.extent = count;
  return true;
}

/// Extents of 1 come and go; the channels may split into known extents; all else stays as it is.
bool reshape(View& view, const ir::Shape& to) {
  std::vector<Axis> from;
  for (const Axis& a : view.axes) {
    if (a.extent != ir::Dim(1)) from.push_back(a);
  }
  std::vector<Axis> out(to.size(), Axis{kChannels, 1, 1});
  size_t at = 0;
  for (size_t i = 0; i < to.size();) {
    if (to[i] == ir::Dim(1)) {
      out[i++].extent = 1;
      continue;
    }
    if (at == from.size()) return false;
    const Axis a = from[at++];
    if (to[i].same(a.extent)) {
      out[i++] = a;
      continue;
    }
    if (a.from != kChannels || !a.extent.known()) return false;
    int64_t left = a.extent.value();
    for (; left > 1; ++i) {
      if (i == to.size() || !to[i].known() || to[i].value() == 0 || left % to[i].value() != 0) return false;
      left /= to[i].value();
      out[i] = {kChannels, a.step * left, to[i]};
    }
  }
  view.axes = std::move(out);
  return at == from.size();
}

bool transpose(View& view, const ir::Node& node) {
  const auto perm = ops::permutation(node.attrs.as<ops::TransposeAttrs>(), static_cast<int>(view.axes.size()));
  if (perm.size() != view.axes.size()) return false;
  std::vector<Axis> out;
  for (int p : perm) out.push_back(view.axes[static_cast<size_t>(p)]);
  view.axes = std::move(out);
  return true;
}

bool slice(View& view, const Site& site, const ir::Node& node) {
  std::vector<int64_t> lists[4];
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == ir::kNone) continue;
    const auto list = ints(site, node.inputs[i]);
    if (!list) return false;
    lists[i - 1] = *list;
  }
  const auto& [starts, ends, axes, steps] = lists;
  for (size_t i = 0; i < starts.size(); ++i) {
    const auto axis = axis_in(axes.empty() ? static_cast<int64_t>(i) : axes[i], view.axes.size());
    if (!axis || (!steps.empty() && steps[i] != 1)) return false;
    const ir::Dim extent = view.axes[static_cast<size_t>(*axis)].extent;
    if (!extent.known()) return false;
    const ops::SliceRange range = ops::slice_range(extent.value(), starts[i], ends[i], 1);
    if (!cut(view, *axis, range.start, range.count)) return false;
  }
  return true;
}

bool split(View& view, const Site& site, const ir::Node& node, ir::ValueId output) {
  const auto axis = axis_in(node.attrs.as<ops::SplitAttrs>().axis, view.axes.size());
  if (!axis || !view.axes[static_cast<size_t>(*axis)].extent.known()) return false;
  const int64_t extent = view.axes[static_cast<size_t>(*axis)].extent.value();
  std::vector<int64_t> sizes = ops::equal_split(extent, static_cast<int64_t>(node.outputs.size()));
  if (node.inputs.size() > 1 && node.inputs[1] != ir::kNone) {
    const auto given = ints(site, node.inputs[1]);
    if (!given || given->size() != node.outputs.size()) return false;
    sizes = *given;
  }
  int64_t start = 0;
  for (size_t i = 0; node.outputs[i] != output; ++i) start += sizes[i];
  const auto which = static_cast<size_t>(std::find(node.outputs.begin(), node.outputs.end(), output) - node.outputs.begin());
  return cut(view, *axis, start, sizes[which]);
}

bool gather(View& view, const Site& site, const ir::Node& node) {
  const auto axis = axis_in(node.attrs.as<ops::GatherAttrs>().axis, view.axes.size());
  const Tensor* index = site.constant(node.inputs[1]);
  if (!axis || index == nullptr || index->dims().rank() != 0) return false;
  int64_t at = to_int64s(*index)[0];
  const ir::Dim extent = view.axes[static_cast<size_t>(*axis)].extent;
  if (at < 0 && extent.known()) at += extent.value();
  if (!cut(view, *axis, at, 1)) return false;
  view.axes.erase(view.axes.begin() + *axis);
  return true;
}

bool is_step(const ir::Node& node) {
  for (std::string_view name : {"Reshape", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Split", "Gather"}) {
    if (node.is(name)) return true;
  }
  return false;
}

bool apply(View& view, const Site& site, ir::ValueId output) {
  const ir::Node& node = *site.producer(output);
  if (node.is("Transpose")) return transpose(view, node);
  if (node.is("Slice")) return slice(view, site, node);
  if (node.is("Split")) return split(view, site, node, output);
  if (node.is("Gather")) return gather(view, site, node);
  return has_rank(site.fact(output)) && reshape(view, *site.fact(output).shape);
}

/// The axis is axis `from` of the source, untouched. (Which one an extent of 1 came from does not matter.)
bool is_whole(const Axis& axis, int from, ir::Dim extent) {
  return axis.extent.same(extent) && (axis.from == from || extent == ir::Dim(1));
}

/// The view that the steps from `source` to the last of `path` make.
std::optional<View> follow(const Site& site, ir::ValueId source, const std::vector<ir::ValueId>& path) {
  const ir::Fact& fact = site.fact(source);
  if (!has_rank(fact) || fact.shape->size() != 3 || !(*fact.shape)[kChannels].known()) return std::nullopt;
  View view;
  for (int i = 0; i < 3; ++i) view.axes.push_back({i, 1, (*fact.shape)[static_cast<size_t>(i)]});
  for (ir::ValueId v : path) {
    if (!apply(view, site, v)) return std::nullopt;
  }
  return view;
}

}  // namespace

std::optional<HeadSplit> head_split(const Site& site, ir::ValueId value, bool swapped) {
  std::vector<ir::ValueId> path;
  ir::ValueId source = value;
  for (const ir::Node* p = site.producer(source); p != nullptr && is_step(*p); p = site.producer(source)) {
    path.insert(path.begin(), source);
    source = p->inputs[0];
  }
  // The first value on the way that has three axes and gives the view wanted; what comes before it stays a node of its own.
  for (size_t skip = 0; skip <= path.size(); ++skip) {
    const ir::ValueId from = skip == 0 ? source : path[skip - 1];
    const auto view = follow(site, from, std::vector<ir::ValueId>(path.begin() + static_cast<std::ptrdiff_t>(skip), path.end()));
    if (!view || view->axes.size() != 4) continue;
    const auto& axes = view->axes;
    const Axis &head = axes[1], &length = axes[swapped ? 3 : 2], &channel = axes[swapped ? 2 : 3];
    const ir::Shape& shape = *site.fact(from).shape;
    if (!is_whole(axes[0], 0, shape[0]) || !is_whole(length, 1, shape[1]) || head.from != kChannels ||
        channel.from != kChannels || channel.step != 1 || !head.extent.known()) {
      continue;
    }
    if (head.extent != ir::Dim(1) && head.step != channel.extent.value()) continue;
    return HeadSplit{from, shape[kChannels].value(), view->offset, head.extent.value(), channel.extent.value()};
  }
  return std::nullopt;
}

std::optional<ir::ValueId> heads_joined(const Site& site, ir::ValueId heads) {
  if (!site.uses.single(heads)) return std::nullopt;
  const ir::Node& transpose = site.graph.node(site.uses.of(heads)[0]);
  if (!transpose.is("Transpose") || transpose.attrs.as<ops::TransposeAttrs>().perm != std::vector<int64_t>{0, 2, 1, 3})
    return std::nullopt;
  const ir::ValueId apart = transpose.outputs[0];
  if (!site.uses.single(apart)) return std::nullopt;
  const ir::Node& reshape = site.graph.node(site.uses.of(apart)[0]);
  if (!reshape.is("Reshape") || reshape.inputs[0] != apart) return std::nullopt;
  const ir::Fact &from = site.fact(apart), &to = site.fact(reshape.outputs[0]);
  if (!has_rank(from) || !has_rank(to) || from.shape->size() != 4 || to.shape->size() != 3) return std::nullopt;
  const ir::Shape &f = *from.shape, &t = *to.shape;
  if (!t[0].same(f[0]) || !t[1].same(f[1]) || !(f[2] * f[3]).same(t[2])) return std::nullopt;
  return reshape.outputs[0];
}

}  // namespace slipway::passes
