#include "cli/inputs.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <random>

#include "base/format.hpp"
#include "base/low_precision.hpp"
#include "cli/image.hpp"
#include "import/onnx/tensor_proto.hpp"

namespace slipway::cli {
namespace {

bool ends_with(const std::string& text, std::string_view tail) {
  return text.size() >= tail.size() && text.compare(text.size() - tail.size(), tail.size(), tail) == 0;
}

/// An extent of an image or a line: the last axis, from rank 4 on every axis behind the channels.
bool is_spatial(size_t axis, size_t rank) {
  return axis > 0 && (axis + 1 == rank || (rank >= 4 && axis >= 2));
}

/// The extents for an input: --shape, --batch, else what is to stand for open ones.
Dims extents_of(const engine::Engine& engine, const engine::Port& port, const std::map<std::string, Dims>& shapes,
                const InputOptions& options, std::vector<std::string>& notes) {
  const auto given = shapes.find(port.name);
  if (given != shapes.end()) return given->second;
  Dims dims;
  bool guessed = false;
  const size_t rank = port.fact.shape ? port.fact.shape->size() : 0;
  for (size_t axis = 0; axis < rank; ++axis) {
    const ir::Dim d = (*port.fact.shape)[axis];
    const bool batch = axis == 0 && options.batch > 0;
    guessed = guessed || (!d.known() && !batch);
    dims.push_back(d.known() ? d.value() : batch ? options.batch : is_spatial(axis, rank) ? options.open : 1);
  }
  if (guessed) {
    notes.push_back(fmt::format("input '{}' is declared {}; its open extents are taken so: {} (choose with --shape '{}:{}')",
                                port.name, fact_text(engine, port.fact), to_string(dims), port.name, to_string(dims)));
  }
  return dims;
}

Tensor random_tensor(ElementType type, const Dims& dims, uint64_t seed) {
  std::mt19937_64 engine(seed);
  Tensor out(type, dims);
  if (type == ElementType::string) return out;
  std::normal_distribution<double> normal;
  for (int64_t i = 0; i < dims.count(); ++i) {
    if (is_float(type)) {
      store_double(out.data(), type, i, normal(engine));
    } else {
      store_int64(out.data(), type, i, static_cast<int64_t>(engine() & 1));
    }
  }
  return out;
}

/// For an integer input of one element: a constant that the model compares it with, since models choose a branch so (a sampling
/// rate, say) and run on no other number.
std::optional<int64_t> compared_with(const ir::Graph& graph, const std::string& input) {
  const ir::ValueId value = graph.find_value(input);
  for (ir::NodeId id = 0; value != ir::kNone && id < graph.node_slots(); ++id) {
    const ir::Node& node = graph.node(id);
    if (!node.is("Equal")) continue;
    for (const size_t side : {size_t{0}, size_t{1}}) {
      const ir::ValueInfo& other = graph.value(node.inputs[1 - side]);
      if (node.inputs[side] != value || !other.is_constant() || !is_integer(other.fact.type)) continue;
      const std::vector<int64_t> numbers = to_int64s(other.constant);
      if (numbers.size() == 1) return numbers.front();
    }
  }
  return std::nullopt;
}

/// An input that no file gives.
Tensor made_up(const engine::Engine& engine, const engine::Port& port, const Dims& dims, uint64_t seed,
               std::vector<std::string>& notes) {
  if (dims.count() == 1 && is_integer(port.fact.type)) {
    if (const auto number = compared_with(engine.graph(), port.name)) {
      notes.push_back(fmt::format("input '{}': {}, which the model compares it with", port.name, *number));
      Tensor out(port.fact.type, dims);
      store_int64(out.data(), port.fact.type, 0, *number);
      return out;
    }
  }
  notes.push_back(
      fmt::format("input '{}': random {} of shape {} (seed {})", port.name, name(port.fact.type), to_string(dims), seed));
  return random_tensor(port.fact.type, dims, seed);
}

}  // namespace

void add_input_options(CLI::App& command, InputOptions& options) {
  command.add_option("--input", options.inputs, "NAME=FILE (.npy, .pb, .png, .jpg); a lone FILE is the only input")
      ->allow_extra_args(false);
  command.add_option("--shape", options.shapes, "NAME:1x3x224x224 for open extents")->allow_extra_args(false);
  command.add_option("--batch", options.batch, "First extent of inputs that leave it open")->check(CLI::PositiveNumber);
  command.add_option("--seed", options.seed, "Seed of random inputs")->capture_default_str();
  command.add_option("--mean", options.mean, "Pictures: mean per channel on the 0..255 scale, such as 123.7,116.3,103.5");
  command.add_option("--scale", options.scale, "Pictures: divisor per channel after the mean, such as 58.4,57.1,57.4");
  command.add_option("--resize", options.resize, "Pictures: stretch | crop")->check(CLI::IsMember({"stretch", "crop"}));
  command.add_flag("--bgr", options.bgr, "Pictures: blue first");
}

Result<std::pair<std::string, Dims>> parse_shape(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return fail(ErrorCode::invalid_argument, "--shape '{}': write NAME:1x3x224x224", text);
  Dims dims;
  int64_t value = -1;
  for (size_t i = colon + 1; i <= text.size(); ++i) {
    if (i < text.size() && text[i] >= '0' && text[i] <= '9' && value < (int64_t{1} << 40)) {
      value = std::max<int64_t>(value, 0) * 10 + (text[i] - '0');
    } else if ((i == text.size() || text[i] == 'x') && value >= 0 && dims.rank() < kMaxRank) {
      dims.push_back(value);
      value = -1;
    } else if (!(i == text.size() && dims.empty() && value < 0)) {
      return fail(ErrorCode::invalid_argument, "--shape '{}': extents are numbers with x between them", text);
    }
  }
  return std::pair(text.substr(0, colon), dims);
}

bool has_open_extents(const engine::Engine& engine, const InputOptions& options) {
  const auto named = [](const std::vector<std::string>& list, const std::string& prefix) {
    return std::any_of(list.begin(), list.end(), [&](const std::string& s) { return s.compare(0, prefix.size(), prefix) == 0; });
  };
  for (const engine::Port& port : engine.inputs()) {
    if (!port.fact.shape || named(options.shapes, port.name + ":") || named(options.inputs, port.name + "=")) continue;
    const size_t rank = port.fact.shape->size();
    for (size_t axis = 0; axis < rank; ++axis) {
      if (is_spatial(axis, rank) && !(*port.fact.shape)[axis].known()) return true;
    }
  }
  return false;
}

Result<std::vector<ir::Value>> make_inputs(const engine::Engine& engine, const InputOptions& options,
                                           std::vector<std::string>& notes) {
  std::map<std::string, Dims> shapes;
  for (const std::string& text : options.shapes) {
    auto [name, dims] = TRY(parse_shape(text));
    shapes[name] = dims;
  }
  std::map<std::string, std::string> files;
  for (const std::string& text : options.inputs) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos && engine.inputs().size() != 1) {
      return fail(ErrorCode::invalid_argument, "--input '{}': the model has {} inputs, write NAME=FILE", text,
                  engine.inputs().size());
    }
    files[equals == std::string::npos ? engine.inputs()[0].name : text.substr(0, equals)] =
        equals == std::string::npos ? text : text.substr(equals + 1);
  }
  const auto known = [&](const std::string& name) {
    return std::any_of(engine.inputs().begin(), engine.inputs().end(), [&](const engine::Port& p) { return p.name == name; });
  };
  for (const auto& [name, file] : files) {
    if (!known(name)) return fail(ErrorCode::not_found, "--input: the model has no input '{}'", name);
  }
  for (const auto& [name, dims] : shapes) {
    if (!known(name)) return fail(ErrorCode::not_found, "--shape: the model has no input '{}'", name);
  }
  std::vector<ir::Value> values;
  uint64_t seed = options.seed;
  for (const engine::Port& port : engine.inputs()) {
    const auto file = files.find(port.name);
    if (file == files.end()) {
      if (port.fact.kind != ir::Fact::Kind::tensor) {
        return fail(ErrorCode::invalid_argument, "input '{}' is {}; give it with --input", port.name,
                    fact_text(engine, port.fact));
      }
      const Dims dims = extents_of(engine, port, shapes, options, notes);
      values.emplace_back(made_up(engine, port, dims, seed++, notes));
    } else if (ends_with(file->second, ".npy")) {
      values.emplace_back(TRY(read_npy(file->second)));
    } else if (ends_with(file->second, ".pb")) {
      values.push_back(TRY(import::onnx::read_value(TRY(read_file(file->second)), port.fact)));
    } else {
      const auto shape = shapes.find(port.name);
      values.emplace_back(TRY(
          picture_input(file->second, port.name, port.fact, shape == shapes.end() ? nullptr : &shape->second, options, notes)));
    }
  }
  return values;
}

}  // namespace slipway::cli
