// The report's style sheet: light and dark, narrow and wide, screen and paper. It has no character
// that HTML or XML would interpret.
#pragma once

#include <string_view>

namespace pgfanout {

inline constexpr std::string_view kHtmlStyle = R"css(
:root {
  color-scheme: light dark;
  --paper: #fcfcfa; --ink: #1d2126; --quiet: #5b636d; --rule: #d9dbd6; --faint: #f1f1ec;
  --blue: #1f4e87; --green: #4c8a5b; --amber: #e0a13c; --amber-ink: #7a4b00; --grey: #b9bdc2;
  --grey-ink: #6a7078; --good: #1b6b3a; --bad: #a4262c; --doubt: #8a5300; --wait: #35507a;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #16191d; --ink: #e4e6e3; --quiet: #a0a8b0; --rule: #363c43; --faint: #1f2429;
    --blue: #7fb0ea; --green: #4f9d68; --amber: #d99a3a; --amber-ink: #3d2600; --grey: #6d747c;
    --grey-ink: #c5cad0; --good: #6fce93; --bad: #ff8d88; --doubt: #f0b45a; --wait: #a3c1f0;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 "Charter", "Iowan Old Style", "Source Serif 4", "Liberation Serif", Georgia, serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1, h2, h3, p, figure, dl, ol { margin: 0; }
table, .kicker, .facts dt, figcaption, .axis, .y, .x, .names, .times, summary, .quiet, .command > span {
  font-family: system-ui, -apple-system, "Segoe UI", "Liberation Sans", Arial, sans-serif; }
code { font: 0.86em/1.45 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace;
  overflow-wrap: anywhere; }
p, li, dd { overflow-wrap: anywhere; }
.quiet { color: var(--quiet); font-size: 0.88em; }
.defs { position: absolute; }
section { margin-top: 3.25rem; }
h2 { font-size: 1.4rem; line-height: 1.25; font-weight: 600; margin-bottom: 0.9rem;
  padding-top: 0.6rem; border-top: 1px solid var(--ink); }
h3 { font-size: 1.05rem; font-weight: 600; margin: 1.75rem 0 0.5rem; }
section p { max-width: 44rem; margin-bottom: 0.6rem; }

.verdict { --tone: var(--doubt); border-left: 0.4rem solid var(--tone); padding-left: 1.25rem; }
.verdict.ok { --tone: var(--good); }
.verdict.differences, .verdict.refused { --tone: var(--bad); }
.verdict.waiting, .verdict.interrupted { --tone: var(--wait); }
.kicker { font-size: 0.85rem; color: var(--quiet); letter-spacing: 0.02em; }
h1 { font-size: clamp(2.2rem, 7vw, 3.4rem); line-height: 1.1; font-weight: 600; color: var(--tone); }
.sign { margin-right: 0.3em; }
.sentence { font-size: 1.25rem; line-height: 1.4; margin-top: 0.6rem; max-width: 46rem; }
.meaning { color: var(--quiet); margin-top: 0.4rem; max-width: 44rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(15rem, 100%), 1fr));
  gap: 1.1rem 1.75rem; margin-top: 1.6rem; }
.facts dt { font-size: 0.8rem; color: var(--quiet); }
.facts dd { margin: 0; line-height: 1.4; }
.digest { font-size: 0.8em; }
.next { margin-top: 1.75rem; background: var(--faint); padding: 0.9rem 1.1rem 1rem; }
.next h2 { font-size: 1.05rem; border: 0; padding: 0; margin-bottom: 0.4rem; }
.command { margin-top: 0.35rem; }
.word { white-space: nowrap; }
.command > span { font-size: 0.8rem; color: var(--quiet); display: block; }

.wide { overflow-x: auto; margin: 0.9rem 0; }
.tall { max-height: 26rem; overflow-y: auto; }
table { border-collapse: collapse; font-size: 0.86rem; line-height: 1.4; width: 100%;
  font-variant-numeric: tabular-nums; }
.narrow table { width: auto; }
th { text-align: left; font-weight: 600; color: var(--quiet); font-size: 0.8rem;
  border-bottom: 1px solid var(--ink); vertical-align: bottom; }
.tall th { position: sticky; top: 0; background: var(--paper); }
th, td { padding: 0.35rem 1.1rem 0.35rem 0; }
td { vertical-align: top; border-bottom: 1px solid var(--rule); overflow-wrap: break-word; }
th.n, td.n { text-align: right; white-space: nowrap; }
th:last-child, td:last-child { padding-right: 0; }
td em { font-style: normal; font-weight: 600; display: block; padding-top: 0.6rem; }
.named td:first-child { white-space: nowrap; }
.sign td { padding-top: 0.6rem; padding-bottom: 0.6rem; }
.state { white-space: nowrap; }
.box { display: inline-block; width: 1.25em; height: 1.25em; line-height: 1.15em; text-align: center;
  border: 1.5px solid currentColor; margin-right: 0.3em; vertical-align: text-bottom; }
.ink { display: block; min-width: 9rem; height: 1.6rem; border-bottom: 1px solid var(--quiet); }
.signatures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(14rem, 100%), 1fr));
  gap: 1.25rem 2.5rem; margin-top: 1.5rem; }
.signatures .ink { height: 2.4rem; }
.severity { font-weight: 600; }
.severity.critical, .severity.error, .bad { color: var(--bad); }
.severity.warning { color: var(--doubt); }
.severity.info { color: var(--quiet); font-weight: 400; }
summary { cursor: pointer; font-size: 0.86rem; color: var(--quiet); padding: 0.3rem 0; }
details { margin-top: 0.6rem; }

figure { margin: 1.6rem 0 0.4rem; }
figcaption { font-size: 0.86rem; line-height: 1.5; margin-bottom: 0.7rem; }
figcaption span { color: var(--quiet); }
.legend { display: block; }
.key { display: inline-flex; align-items: center; gap: 0.4rem; margin-right: 1.1rem; }
.frame { display: grid; grid-template-columns: 3.6rem minmax(0, 1fr); }
.frame svg, .gantt svg { display: block; width: 100%; overflow: visible; }
.frame svg { height: 11rem; }
.y, .x { position: relative; font-size: 0.75rem; line-height: 1; color: var(--quiet);
  font-variant-numeric: tabular-nums; }
.y span { position: absolute; right: 0.6rem; transform: translateY(50%); white-space: nowrap; }
.x { grid-column: 2; height: 1.4rem; }
.x span { position: absolute; top: 0.45rem; transform: translateX(-50%); white-space: nowrap; }
.x .last { transform: translateX(-100%); }
.x .first { transform: none; }
.axis { font-size: 0.75rem; color: var(--quiet); padding-left: 3.6rem; }
svg line, svg polyline, svg rect { vector-effect: non-scaling-stroke; }
.grid { stroke: var(--rule); stroke-width: 1; }
.base { stroke: var(--quiet); stroke-width: 1; }
.begin { stroke: var(--quiet); stroke-width: 1; opacity: 0.45; }
.mark { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 2 3; }
.mean { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 5 3; }
.bar { fill: var(--blue); opacity: 0.8; }
.bar.most { opacity: 1; stroke: var(--ink); stroke-width: 1; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.l1 { stroke: var(--blue); }
.l2 { stroke: var(--doubt); stroke-dasharray: 7 4; }
.l3 { stroke: var(--green); stroke-dasharray: 2 3; }
.a1 { fill: var(--blue); }
.a2 { fill: var(--green); }
.a3 { fill: url(#hatch); }
.a4 { fill: url(#dots); }
.under3 { fill: var(--amber); } .over3 { fill: var(--amber-ink); }
.under4 { fill: var(--grey); } .over4 { fill: var(--grey-ink); }
.gantt .rows { display: grid; grid-template-columns: 7rem minmax(0, 1fr) 5rem; }
.names span, .times span { display: block; height: 24px; line-height: 24px; font-size: 0.8rem;
  white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.times span { text-align: right; color: var(--quiet); font-variant-numeric: tabular-nums; }
.d1, .d2, .d3 { padding-left: 0.8rem; color: var(--quiet); }
.d2, .d3 { padding-left: 1.6rem; }
.stage { fill: var(--blue); }
.part { fill: var(--blue); opacity: 0.5; }
.failed { fill: var(--bad); }
.gantt .axis { padding-left: 7rem; }

@media (max-width: 40rem) {
  main { padding: 1.25rem 1rem 3rem; }
  .verdict { padding-left: 0.9rem; border-left-width: 0.3rem; }
  .sentence { font-size: 1.1rem; }
  .gantt .rows { grid-template-columns: 5.2rem minmax(0, 1fr) 3.8rem; }
  .gantt .axis { padding-left: 5.2rem; }
  .frame { grid-template-columns: 3rem minmax(0, 1fr); }
  .axis { padding-left: 3rem; }
  .frame svg { height: 9rem; }
}
@media print {
  @page { margin: 16mm 15mm; }
  body { font-size: 10.5pt; background: #fff; }
  main { max-width: none; padding: 0; }
  section { margin-top: 1.6rem; }
  h1, h2, h3, figcaption, summary { break-after: avoid; }
  #sign-off, figure, tr, .next, .signatures, .facts div { break-inside: avoid; }
  thead { display: table-header-group; }
  .wide, .tall { overflow: visible; max-height: none; }
  .tall th { position: static; }
  table { font-size: 8.5pt; }
  th, td { padding-right: 0.7rem; overflow-wrap: anywhere; }
  th { overflow-wrap: normal; }
  .ink { min-width: 6rem; }
  details::details-content { content-visibility: visible; display: block; height: auto; }
  summary { list-style: none; }
  svg, .box { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
)css";

}  // namespace pgfanout
