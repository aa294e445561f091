// The look and the table sorting of report pages.
#pragma once

namespace slipway::cli {

constexpr const char* kReportStyle = R"css(
:root { --ink: #1c2430; --soft: #5d6b7c; --line: #dde3ea; --page: #ffffff; --card: #f6f8fa; --mark: #c2410c; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6ebf2; --soft: #94a3b5; --line: #2c3644; --page: #10151c; --card: #19212b; --mark: #fb923c; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1280px; padding: 28px 24px 60px; background: var(--page); color: var(--ink);
       font: 14px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 24px; margin: 0; } h2 { font-size: 17px; margin: 36px 0 8px; } p { color: var(--soft); margin: 4px 0 12px; }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 20px 0 8px; }
.tile { background: var(--card); border-radius: 8px; padding: 12px 18px; min-width: 150px; }
.tile b { display: block; font-size: 22px; font-weight: 600; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: 12.5px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; color: var(--soft); font-weight: 500; font-size: 12.5px; padding: 4px 10px 4px 0; white-space: nowrap;
     border-bottom: 1px solid var(--line); position: sticky; top: 0; background: var(--page); }
table.sorted th { cursor: pointer; }
td { padding: 3px 10px 3px 0; border-bottom: 1px solid var(--line); vertical-align: top; white-space: nowrap; }
td.n, th.n { text-align: right; }
td.name { white-space: normal; word-break: break-all; min-width: 220px; }
.bar { position: relative; height: 13px; width: 220px; margin-top: 4px; }
.bar i { position: absolute; left: 0; top: 0; height: 100%; border-radius: 2px; }
.bar u { position: absolute; top: -2px; height: 17px; width: 2px; background: var(--ink); }
.dot { display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin-right: 7px; }
details summary { cursor: pointer; list-style-position: outside; margin-left: 14px; }
details pre { color: var(--soft); font-size: 12px; margin: 4px 0 8px 14px; white-space: pre-wrap; word-break: normal; }
details pre b { color: var(--ink); }
svg { width: 100%; height: auto; display: block; } svg text { fill: var(--soft); font-size: 11px; }
svg .axis { stroke: var(--line); } svg .roof { stroke: var(--mark); fill: none; stroke-width: 1.5; }
)css";

constexpr const char* kReportScript = R"js(
document.querySelectorAll("table.sorted").forEach(table => table.querySelectorAll("th").forEach((head, column) => {
  let down = false;
  head.addEventListener("click", () => {
    down = !down;
    const body = table.tBodies[0], key = row => row.cells[column].dataset.v ?? row.cells[column].textContent;
    const number = [...body.rows].every(row => !isNaN(parseFloat(key(row))));
    [...body.rows].sort((a, b) => (down ? -1 : 1) * (number ? key(a) - key(b) : key(a).localeCompare(key(b))))
      .forEach(row => body.append(row));
  });
}));
)js";

}  // namespace slipway::cli
