// Where the text is: PP-OCR's detector (DB) and the boxes around what it marks.
#pragma once

#include <array>
#include <slipway/slipway.hpp>

#include "picture.hpp"

/// Corners in the picture: left top, right top, right bottom, left bottom, as one reads.
using Box = std::array<Point, 4>;

/// Boxes in reading order.
slipway::Result<std::vector<Box>> detect(slipway::Session& detector, const Picture& picture);
