// DepthToSpace and SpaceToDepth: blocks of pixels moved between channels and rows/columns.
#pragma once

#include "ir/attrs.hpp"

namespace slipway::ops {

struct DepthSpaceAttrs {
  int64_t blocksize = 1;
  std::string mode = "DCR";  ///< DCR: the block is the outer part of the channel index; CRD: the inner part
  bool operator==(const DepthSpaceAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{ir::field("mode", &DepthSpaceAttrs::mode), ir::field("blocksize", &DepthSpaceAttrs::blocksize, true)};
  }
};

}  // namespace slipway::ops
