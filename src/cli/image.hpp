// Pictures as model inputs: JPEG and PNG decoding, resizing, normalisation.
#pragma once

#include <string>
#include <vector>

#include "cli/inputs.hpp"

namespace slipway::cli {

/// 8-bit RGB, rows from the top, three bytes a pixel.
struct Picture {
  int64_t width = 0, height = 0;
  std::vector<uint8_t> rgb;
};

/// Reads a .jpg or .png by content. Limits: 64 MiB of file, 64 megapixels.
Result<Picture> read_picture(const std::string& path);

/// The picture as an N x C x H x W (or N x H x W x C) tensor of the input's declared type; `shape` fills open extents. A note
/// tells the preprocessing used.
Result<Tensor> picture_input(const std::string& path, const std::string& input, const ir::Fact& fact, const Dims* shape,
                             const InputOptions& options, std::vector<std::string>& notes);

}  // namespace slipway::cli
