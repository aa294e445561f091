// Reads the text of a picture: detect lines, crop them, recognise each; writes the picture with boxes beside a sheet with the
// texts.
//   example_ocr DETECTOR RECOGNISER PICTURE OUT.png [LINE.f32]
// LINE.f32 gets the first line as the recogniser saw it and answered, for comparing with a server: int64 width, steps, classes,
// then the input's and the output's floats.
#include <chrono>
#include <cstdio>
#include <fstream>

#include "recognise.hpp"

namespace {

constexpr int kRounds = 3;

template <class Work>
double milliseconds(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

struct Times {
  double first = 0, best = 0;
  void add(double ms) {
    if (first == 0) first = best = ms;
    best = std::min(best, ms);
  }
};

void draw(Picture& sheet, const Picture& picture, const std::vector<Box>& boxes, const std::vector<Line>& lines) {
  constexpr uint8_t kRed[] = {220, 30, 30}, kBlack[] = {0, 0, 0};
  for (int y = 0; y < picture.height; ++y) {
    for (int x = 0; x < picture.width; ++x) sheet.set(x, y, picture.at(x, y));
  }
  for (size_t i = 0; i < boxes.size(); ++i) {
    const Box& b = boxes[i];
    for (size_t k = 0; k < 4; ++k) sheet.line(b[k], b[(k + 1) % 4], kRed);
    sheet.text({b[0].x - 14, b[0].y}, 40, 16, std::to_string(i + 1), kRed);
    sheet.text({static_cast<float>(picture.width) + b[0].x, (b[0].y + b[1].y) / 2}, b[1].x - b[0].x, b[3].y - b[0].y,
               lines[i].text, kBlack);
  }
}

void write_line(const Line& line, const char* path) {
  std::ofstream out(path, std::ios::binary);
  const int64_t extents[] = {line.input_width, line.steps, line.classes};
  out.write(reinterpret_cast<const char*>(extents), sizeof extents);
  for (const auto* values : {&line.input, &line.output}) {
    out.write(reinterpret_cast<const char*>(values->data()), static_cast<std::streamsize>(values->size() * sizeof(float)));
  }
}

slipway::Status work(char** argv) {
  const auto picture = read_picture(argv[3]);
  if (!picture) return picture.error();
  const auto detector_engine = slipway::Engine::load(argv[1]), recogniser_engine = slipway::Engine::load(argv[2]);
  if (!detector_engine) return detector_engine.error();
  if (!recogniser_engine) return recogniser_engine.error();
  auto detector = slipway::Session::make(*detector_engine);
  if (!detector) return detector.error();
  auto recogniser = Recogniser::make(*recogniser_engine);
  if (!recogniser) return recogniser.error();

  Times detecting, recognising;
  slipway::Result<std::vector<Box>> boxes = std::vector<Box>();
  std::vector<Line> lines;
  for (int round = 0; round < kRounds; ++round) {
    detecting.add(milliseconds([&] { boxes = detect(*detector, *picture); }));
    if (!boxes) return boxes.error();
    lines.clear();
    slipway::Status status;
    recognising.add(milliseconds([&] {
      for (const Box& box : *boxes) {
        auto line = recognise(*recogniser, *picture, box);
        if (!line) {
          status = line.error();
          return;
        }
        lines.push_back(std::move(line).value());
      }
    }));
    if (!status) return status;
  }
  for (size_t i = 0; i < lines.size(); ++i)
    std::printf("%2zu  %3.0f %%  %s\n", i + 1, 100.0 * lines[i].confidence, lines[i].text.c_str());
  std::printf("detect     %4dx%-4d       first %8.1f ms   steady %8.1f ms\n", picture->width, picture->height, detecting.first,
              detecting.best);
  std::printf("recognise  %3zu lines       first %8.1f ms   steady %8.1f ms\n", lines.size(), recognising.first,
              recognising.best);

  Picture sheet(2 * picture->width, picture->height);
  draw(sheet, *picture, *boxes, lines);
  if (argv[5] != nullptr && !lines.empty()) write_line(lines.front(), argv[5]);
  return write_png(sheet, argv[4]);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5 && argc != 6) {
    std::fprintf(stderr, "usage: %s DETECTOR RECOGNISER PICTURE OUT.png [LINE.f32]\n", argv[0]);
    return 2;
  }
  const slipway::Status status = work(argv);
  if (!status) std::fprintf(stderr, "example_ocr: %s\n", status.error().message.c_str());
  return status ? 0 : 1;
}
