// What the text says: PP-OCR's recogniser and the decoding of its answer.
#pragma once

#include "detect.hpp"

struct Recogniser {
  slipway::Session session;
  std::vector<std::string> characters;  ///< by class: blank first, space last

  /// Takes the character list from the model's metadata.
  static slipway::Result<Recogniser> make(const slipway::Engine& engine);
};

struct Line {
  std::string text;
  float confidence = 0;      ///< mean probability of its characters
  std::vector<float> input;  ///< what the model was asked: 1 x 3 x 48 x input_width
  int64_t input_width = 0;
  std::vector<float> output;  ///< its answer: 1 x steps x classes
  int64_t steps = 0, classes = 0;
};

slipway::Result<Line> recognise(Recogniser& recogniser, const Picture& picture, const Box& box);
