#include "tactic/tactic.hpp"

#include "tactic/reorder.hpp"

namespace slipway::tactic {

std::string_view name(Format format) {
  switch (format) {
    case Format::plain:
      return "plain";
    case Format::blocked16:
      return "blocked16";
    case Format::channels_last:
      return "channels_last";
  }
  return "plain";
}

size_t buffer_bytes(ElementType type, const Dims& dims, Format format) {
  if (format != Format::blocked16 || dims.rank() < 2) return byte_size(type, dims.count());
  Dims padded = dims;
  padded[1] = (dims[1] + 15) / 16 * 16;
  return byte_size(type, padded.count());
}

std::string_view name(Fault fault) {
  switch (fault) {
    case Fault::none:
      return "none";
    case Fault::index_out_of_range:
      return "index out of range";
    case Fault::division_by_zero:
      return "division by zero";
    case Fault::negative_extent:
      return "negative extent";
    case Fault::invalid_value:
      return "invalid value";
  }
  return "fault";
}

const ir::OpInfo* reorder_op() {
  static const ir::OpInfo op = [] {
    ir::OpInfo info;
    info.domain = "slipway";
    info.name = kReorderOp;
    info.attrs = ir::attr_type<ReorderAttrs>();
    return info;
  }();
  return &op;
}

}  // namespace slipway::tactic
