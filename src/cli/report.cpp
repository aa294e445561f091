#include "cli/report.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>

#include "base/format.hpp"
#include "cli/report_style.hpp"

namespace slipway::cli {
namespace {

constexpr const char* kColours[] = {"#2563eb", "#059669", "#d97706", "#9333ea", "#dc2626", "#0891b2", "#65a30d", "#db2777"};

/// Steps of one kind: a group or an operator.
struct Work {
  std::string kind, colour;
  size_t steps = 0;
  double us = 0, limit_us = 0, flops = 0, bytes = 0;
};

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string percent(double part, double whole) {
  return whole > 0 ? fmt::format("{:.0f} %", 100 * part / whole) : "&ndash;";
}

std::string rate(double amount, double us) {
  return amount > 0 && us > 0 ? fmt::format("{:.1f}", amount / us / 1e3) : "&ndash;";
}

std::vector<Work> by_kind(const Profile& profile) {
  std::map<std::string, Work> kinds;
  for (const StepProfile& s : profile.steps) {
    Work& w = kinds[s.step->op];
    w.kind = s.step->op;
    ++w.steps;
    w.us += s.us;
    w.limit_us += s.limit_us;
    w.flops += s.step->flops;
    w.bytes += s.step->bytes;
  }
  std::vector<Work> list;
  for (auto& [kind, work] : kinds) list.push_back(std::move(work));
  std::sort(list.begin(), list.end(), [](const Work& a, const Work& b) { return a.us > b.us; });
  for (size_t i = 0; i < list.size(); ++i) list[i].colour = kColours[i % std::size(kColours)];
  return list;
}

class Page {
 public:
  Page(const engine::Engine& engine, const Profile& profile) : engine_(engine), profile_(profile), work_(by_kind(profile)) {
    for (const Work& w : work_) colours_[w.kind] = w.colour;
    for (const auto& plan : profile.plans) {
      for (const plan::Choice& choice : plan->choices) choices_[choice.node] = &choice;
    }
  }

  std::string text(const std::string& model) {
    const std::string title = escape(model.substr(model.find_last_of('/') + 1));
    out_ = fmt::format(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width\"><title>{} &ndash; slipway</title><style>{}</style>\n<h1>{}</h1>\n",
        title, kReportStyle, title);
    head();
    kinds();
    if (profile_.roof.known()) roofline();
    steps();
    passes();
    out_ += fmt::format("<script>{}</script>\n</html>\n", kReportScript);
    return std::move(out_);
  }

 private:
  void tile(const std::string& value, const std::string& what) {
    out_ += fmt::format("<div class=\"tile\"><b>{}</b><span>{}</span></div>\n", value, what);
  }

  void head() {
    const plan::Memory memory = profile_.plans.empty() ? plan::Memory{} : profile_.plans.front()->memory;
    out_ += fmt::format("<p>{}, kernels up to {}, {} thread{}", escape(cpu_info().model), name(engine_.options().isa),
                        profile_.roof.threads, profile_.roof.threads == 1 ? "" : "s");
    for (const engine::Port& port : engine_.inputs()) {
      out_ += fmt::format(" &middot; <b>{}</b> {}", escape(port.name), escape(engine::fact_text(engine_, port.fact)));
    }
    out_ += "</p>\n<div class=\"tiles\">\n";
    tile(fmt::format("{:.3f} ms", profile_.run_us / 1e3), "a run (median)");
    tile(fmt::format("{}", profile_.steps.size()), "steps");
    if (profile_.roof.known()) {
      tile(percent(profile_.limit_us(), profile_.steps_us()),
           fmt::format("of the roof, which allows {:.3f} ms", profile_.limit_us() / 1e3));
    }
    tile(rate(profile_.flops(), profile_.run_us),
         profile_.roof.known() ? fmt::format("GFLOP/s of {:.1f}", profile_.roof.flops_per_us / 1e3) : "GFLOP/s");
    tile(fmt::format("{:.1f} MiB", static_cast<double>(profile_.arena_bytes) / 1048576),
         fmt::format("arena; {:.1f} MiB live at once", static_cast<double>(memory.live_peak_bytes) / 1048576));
    out_ += "</div>\n";
  }

  /// A bar of `us` with a tick where the roof is, on a scale that ends at `full`.
  std::string bar(double us, double limit_us, double full, const std::string& colour) const {
    std::string text = fmt::format("<div class=\"bar\"><i style=\"width:{:.1f}%;background:{}\"></i>", 100 * us / full, colour);
    if (limit_us > 0) text += fmt::format("<u style=\"left:{:.1f}%\"></u>", std::min(99.0, 100 * limit_us / full));
    return text + "</div>";
  }

  void kinds() {
    out_ +=
        "<h2>Where the time goes</h2>\n<p>Bars are measured time, the tick is what the roof allows.</p>\n"
        "<table class=\"sorted\"><thead><tr><th>kind</th><th class=\"n\">steps</th><th class=\"n\">ms</th>"
        "<th class=\"n\">share</th><th></th><th class=\"n\">of roof</th><th class=\"n\">GFLOP/s</th>"
        "<th class=\"n\">GB/s</th></tr></thead><tbody>\n";
    for (const Work& w : work_) {
      out_ += fmt::format(
          "<tr><td><span class=\"dot\" style=\"background:{}\"></span>{}</td><td class=\"n\">{}</td><td class=\"n\">{:.3f}</td>"
          "<td class=\"n\">{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
          w.colour, escape(w.kind), w.steps, w.us / 1e3, percent(w.us, profile_.steps_us()),
          bar(w.us, w.limit_us, work_.front().us, w.colour), percent(w.limit_us, w.us), rate(w.flops, w.us), rate(w.bytes, w.us));
    }
    out_ += "</tbody></table>\n";
  }

  void roofline();
  void steps();
  void passes();

  const engine::Engine& engine_;
  const Profile& profile_;
  std::vector<Work> work_;
  std::map<std::string, std::string> colours_;
  std::map<std::string, const plan::Choice*> choices_;
  std::string out_;
};

/// Both axes logarithmic: operations per byte, operations per second; a line for each level that feeds the cores.
void Page::roofline() {
  constexpr double kWidth = 1180, kHeight = 380, kLeft = 60, kBottom = 36, kTop = 14;
  const double peak = profile_.roof.flops_per_us;
  const double x_low = 0.03, x_high = 3000, y_low = peak / 3000, y_high = peak * 2;
  const auto x_of = [&](double v) {
    return kLeft + (kWidth - kLeft) * std::clamp(std::log(v / x_low) / std::log(x_high / x_low), 0.0, 1.0);
  };
  const auto y_of = [&](double v) {
    return kHeight - kBottom - (kHeight - kBottom - kTop) * std::clamp(std::log(v / y_low) / std::log(y_high / y_low), 0.0, 1.0);
  };
  out_ += fmt::format(
      "<h2>Roofline</h2>\n<p>A dot is a step; its size is its share of the time. Steps that only move data have no "
      "place here.</p>\n<svg viewBox=\"0 0 {} {}\">\n",
      kWidth + 20, kHeight);
  for (double v = 0.1; v <= x_high; v *= 10) {
    out_ += fmt::format(
        "<line class=\"axis\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\"/><text x=\"{0:.1f}\" y=\"{3}\" "
        "text-anchor=\"middle\">{4:g}</text>\n",
        x_of(v), kTop, kHeight - kBottom, kHeight - kBottom + 16, v);
  }
  out_ += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">FLOP per byte</text>\n", kWidth, kHeight - 4);
  for (double v = std::pow(10, std::ceil(std::log10(y_low / 1e3))) * 1e3; v <= y_high; v *= 10) {
    out_ += fmt::format(
        "<line class=\"axis\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/><text x=\"{3}\" y=\"{4:.1f}\" "
        "text-anchor=\"end\">{5:g}</text>\n",
        kLeft, kWidth, y_of(v), kLeft - 8, y_of(v) + 4, v / 1e3);
  }
  out_ += fmt::format("<text x=\"{}\" y=\"{}\">GFLOP/s</text>\n", kLeft + 4, kTop + 8);
  for (const roof::Level& level : profile_.roof.levels) {
    const double from = std::max(x_low, y_low / level.bytes_per_us), knee = peak / level.bytes_per_us;
    out_ += fmt::format("<polyline class=\"roof\" points=\"{:.1f},{:.1f} {:.1f},{:.1f} {:.1f},{:.1f}\"/>\n", x_of(from),
                        y_of(from * level.bytes_per_us), x_of(knee), y_of(peak), x_of(x_high), y_of(peak));
  }
  const roof::Level& far = profile_.roof.levels.back();
  out_ +=
      fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", x_of(0.25) + 10, y_of(0.25 * far.bytes_per_us) + 10, far.name);
  const roof::Level& near = profile_.roof.levels.front();
  out_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n", x_of(0.1) - 10,
                      y_of(0.1 * near.bytes_per_us), near.name);
  for (const StepProfile& s : profile_.steps) {
    if (s.step->flops <= 0 || s.step->bytes <= 0 || s.us <= 0) continue;
    out_ += fmt::format(
        "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\" fill=\"{}\" fill-opacity=\"0.55\"><title>{}: {:.1f} &micro;s, {} "
        "GFLOP/s, {} "
        "of the roof ({})</title></circle>\n",
        x_of(s.step->flops / s.step->bytes), y_of(s.step->flops / s.us), 2.5 + 26 * std::sqrt(s.us / profile_.steps_us()),
        colours_[s.step->op], escape(s.step->name), s.us, rate(s.step->flops, s.us), percent(s.limit_us, s.us), s.bound);
  }
  out_ += "</svg>\n";
}

void Page::steps() {
  double longest = 1e-9;
  for (const StepProfile& s : profile_.steps) longest = std::max(longest, s.us);
  out_ +=
      "<h2>Steps</h2>\n<p>In the order of execution; a click on a heading sorts. A step opens to every tactic that was judged: "
      "its estimate, or why it cannot run the step.</p>\n<table class=\"sorted\"><thead><tr><th class=\"n\">#</th><th>node</th>"
      "<th>kind</th><th>tactic</th><th class=\"n\">&micro;s</th><th></th><th class=\"n\">share</th><th class=\"n\">of roof</th>"
      "<th>bound by</th><th class=\"n\">GFLOP/s</th><th class=\"n\">GB/s</th></tr></thead><tbody>\n";
  for (size_t i = 0; i < profile_.steps.size(); ++i) {
    const StepProfile& s = profile_.steps[i];
    std::string details = escape(s.step->recipe) + "\n";
    if (const auto found = choices_.find(s.step->name); found != choices_.end()) {
      for (const plan::Choice::Candidate& c : found->second->candidates) {
        const std::string line = c.accepted ? fmt::format("{} {:.1f} &micro;s {}", c.tactic, c.cost_us, escape(c.text))
                                            : fmt::format("{} no: {}", c.tactic, escape(c.text));
        details += c.chosen ? "<b>" + line + "</b>\n" : line + "\n";
      }
    }
    out_ += fmt::format(
        "<tr><td class=\"n\">{}</td><td class=\"name\" data-v=\"{}\"><details><summary>{}</summary><pre>{}</pre></details></td>"
        "<td><span class=\"dot\" style=\"background:{}\"></span>{}</td><td>{}</td><td class=\"n\">{:.1f}</td><td>{}</td>"
        "<td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
        i, escape(s.step->name), escape(s.step->name), details, colours_[s.step->op], escape(s.step->op), s.step->tactic, s.us,
        bar(s.us, s.limit_us, longest, colours_[s.step->op]), percent(s.us, profile_.steps_us()), percent(s.limit_us, s.us),
        s.bound, rate(s.step->flops, s.us), rate(s.step->bytes, s.us));
  }
  out_ += "</tbody></table>\n";
}

void Page::passes() {
  const passes::Report& report = engine_.passes();
  if (report.passes.empty()) return;
  out_ += fmt::format(
      "<h2>Passes</h2>\n<p>{} nodes became {} by {} patches.</p>\n<table class=\"sorted\"><thead><tr><th>pass</th>"
      "<th class=\"n\">patches</th><th class=\"n\">ms</th></tr></thead><tbody>\n",
      report.nodes_before, report.nodes_after, report.patches);
  for (const passes::PassReport& pass : report.passes) {
    out_ +=
        fmt::format("<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{:.2f}</td></tr>\n", pass.name, pass.patches, pass.ms);
  }
  out_ += "</tbody></table>\n";
}

}  // namespace

Status write_report(const engine::Engine& engine, const std::string& model, const Profile& profile, const std::string& path) {
  std::ofstream out(path);
  out << Page(engine, profile).text(model);
  out.close();
  if (!out) return fail(ErrorCode::io, "{}: cannot be written", path);
  return {};
}

}  // namespace slipway::cli
