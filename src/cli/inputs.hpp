// Values for a model's inputs from the command line: files (.npy, .pb, pictures), --shape, or seeded random numbers.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/engine.hpp"

namespace CLI {
class App;
}

namespace slipway::cli {

struct InputOptions {
  std::vector<std::string> inputs;  ///< NAME=FILE
  std::vector<std::string> shapes;  ///< NAME:1x3x224x224
  std::string mean, scale, resize;  ///< pictures: per-channel lists, "stretch" | "crop"
  bool bgr = false;
  int64_t batch = 0;  ///< replaces the first symbolic extent
  int64_t open = 1;   ///< stands for what the model leaves open of an image's or a line's extents
  uint64_t seed = 0;
};
void add_input_options(CLI::App& command, InputOptions& options);

/// One Value per model input. `notes` tells in sentences what was made up: random inputs, extents chosen, picture preprocessing.
Result<std::vector<ir::Value>> make_inputs(const engine::Engine& engine, const InputOptions& options,
                                           std::vector<std::string>& notes);

/// Does an input without file or --shape leave an extent open that `InputOptions::open` stands for?
bool has_open_extents(const engine::Engine& engine, const InputOptions& options);
/// What to try for them, one after the other, where a model cannot run on less.
inline constexpr int64_t kOpenExtents[] = {1, 64, 224, 512, 1024};

/// "NAME:1x3x8x8" split at the last colon.
Result<std::pair<std::string, Dims>> parse_shape(const std::string& text);

/// .npy reading and writing (version 1.0 and 2.0, little-endian, C order; every numeric type that NumPy has).
Result<Tensor> read_npy(const std::string& path);
Status write_npy(const std::string& path, const Tensor& tensor);
/// Whether .npy has the element type.
bool npy_holds(ElementType type);

}  // namespace slipway::cli
