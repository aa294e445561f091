#include "recognise.hpp"

#include <algorithm>
#include <cmath>

namespace {

constexpr int kHeight = 48, kLeastWidth = 320, kWidthStep = 32;

float distance(Point a, Point b) {
  return std::hypot(a.x - b.x, a.y - b.y);
}

/// The box turned upright, 48 rows high, BGR planes in -1..1; zeros right of the text.
void crop(const Picture& picture, const Box& box, Line& line) {
  const float long_side = std::max(1.0F, distance(box[0], box[1])), high_side = std::max(1.0F, distance(box[0], box[3]));
  const int width = std::clamp(static_cast<int>(std::ceil(kHeight * long_side / high_side)), 1, 4096);
  line.input_width = (std::max(width, kLeastWidth) + kWidthStep - 1) / kWidthStep * kWidthStep;
  line.input.assign(static_cast<size_t>(3 * kHeight * line.input_width), 0.0F);
  const int fine =
      std::clamp(static_cast<int>(std::ceil(high_side / kHeight)), 1, 4);  // samples a pixel, each way, when shrinking
  const Point across{box[1].x - box[0].x, box[1].y - box[0].y}, down{box[3].x - box[0].x, box[3].y - box[0].y};
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y < kHeight; ++y) {
      for (int x = 0; x < width; ++x) {
        float sum = 0;
        for (int i = 0; i < fine * fine; ++i) {
          const int row = i / fine, column = i % fine;
          const float s = (static_cast<float>(x) + (static_cast<float>(column) + 0.5F) / static_cast<float>(fine)) /
                          static_cast<float>(width);
          const float t = (static_cast<float>(y) + (static_cast<float>(row) + 0.5F) / static_cast<float>(fine)) / kHeight;
          sum += picture.sample(box[0].x + across.x * s + down.x * t - 0.5F, box[0].y + across.y * s + down.y * t - 0.5F, 2 - c);
        }
        const float mean = sum / static_cast<float>(fine * fine);
        line.input[static_cast<size_t>((c * kHeight + y) * line.input_width + x)] = mean / 127.5F - 1;
      }
    }
  }
}

/// CTC: the best class of each step, repeats taken together, blanks (class 0) left out.
void decode(const std::vector<std::string>& characters, Line& line) {
  size_t last = 0, count = 0;
  for (int64_t step = 0; step < line.steps; ++step) {
    const auto row = line.output.begin() + step * line.classes;
    const auto best = std::max_element(row, row + line.classes);
    const auto index = static_cast<size_t>(best - row);
    if (index != 0 && index != last && index < characters.size()) {
      line.text += characters[index];
      line.confidence += *best;
      ++count;
    }
    last = index;
  }
  if (count != 0) line.confidence /= static_cast<float>(count);
}

}  // namespace

slipway::Result<Recogniser> Recogniser::make(const slipway::Engine& engine) {
  const auto list = engine.metadata("character");
  if (!list) return slipway::Error{SLIPWAY_INVALID_MODEL, "the recogniser has no character list in its metadata"};
  std::vector<std::string> characters = {""};
  for (size_t at = 0; at < list->size();) {
    const size_t end = std::min(list->find('\n', at), list->size());
    std::string_view one = list->substr(at, end - at);
    if (one.ends_with('\r')) one.remove_suffix(1);
    characters.emplace_back(one);
    at = end + 1;
  }
  characters.emplace_back(" ");
  auto session = slipway::Session::make(engine);
  if (!session) return session.error();
  return Recogniser{std::move(session).value(), std::move(characters)};
}

slipway::Result<Line> recognise(Recogniser& recogniser, const Picture& picture, const Box& box) {
  Line line;
  crop(picture, box, line);
  const slipway::TensorView input(line.input, {1, 3, kHeight, line.input_width});
  const auto outputs = recogniser.session.run({&input, 1});
  if (!outputs) return outputs.error();
  const slipway::TensorView& answer = outputs->front();
  if (answer.dims().size() != 3 || answer.dims()[2] != static_cast<int64_t>(recogniser.characters.size())) {
    return slipway::Error{SLIPWAY_INVALID_MODEL, "the recogniser's answer does not fit its character list"};
  }
  line.steps = answer.dims()[1];
  line.classes = answer.dims()[2];
  line.output.assign(answer.as<float>().begin(), answer.as<float>().end());
  decode(recogniser.characters, line);
  return line;
}
