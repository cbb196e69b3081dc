"""The report: one page of HTML with everything in it."""

import html
import statistics

from lib import bars, benchmark, results, stats, svg

LIGHT = dict(ink="#1d2733", soft="#5b6775", paper="#ffffff", line="#dbe1e8", good="#1f7a45", bad="#b23327", c0="#2f6fb0",
             c1="#e08a2e", c2="#3f9a6b", c3="#b4508f", c4="#8a6bc9", c5="#c2493f", c6="#5f8f9a", c7="#9a8346")
DARK = dict(ink="#e4e9ef", soft="#9aa7b5", paper="#14191f", line="#2f3944", good="#62c98b", bad="#f08a80", c0="#6aa9e8",
            c1="#f0ab5e", c2="#6cc795", c3="#dd86bd", c4="#b39ae8", c5="#ec8279", c6="#8cbac5", c7="#cbb475")
PLOTS = """.label { fill: var(--ink); font: 12px system-ui, sans-serif; } .paper { fill: var(--paper); }
.axis { stroke: var(--soft); stroke-width: 1.5; } .grid { stroke: var(--line); }
""" + "".join(f".s{n} {{ fill: var(--c{n}); }} .l{n} {{ stroke: var(--c{n}); }}\n" for n in range(svg.SERIES))


def variables(colours):
    return ":root { color-scheme: light dark; " + " ".join(f"--{name}: {value};" for name, value in colours.items()) + " }"


STYLE = f"{variables(LIGHT)}\n@media (prefers-color-scheme: dark) {{ {variables(DARK)} }}\n{PLOTS}" + """
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 62rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; font-size: 14px; } td, th { padding: .2rem .8rem .2rem 0; text-align: right; }
td:first-child, th:first-child { text-align: left; } tr + tr td { border-top: 1px solid var(--line); }
.wide { overflow-x: auto; } .good { color: var(--good); } .bad { color: var(--bad); } .none, p.note { color: var(--soft); }
svg { width: 100%; max-width: 760px; height: auto; display: block; } polyline { fill: none; stroke-width: 2; }
"""


def page(document, found_benchmarks=None):
    """`found_benchmarks`: the result of benchmark.read, or None."""
    sections = [("machine", "The machine", machine_section(document)), ("bars", "The bars", bars_section(document))]
    sections += [("window", "The window by stage", window_plot(document)),
                 ("methods", "Throughput by method", methods_plot(found_benchmarks)),
                 ("writers", "Throughput by number of writers", writers_plot(found_benchmarks)),
                 ("size", "Cost per row by table size", size_plot(document)),
                 ("memory", "Memory over time", memory_plot(document)),
                 ("leaves", "Size of the leaves", leaves_plot(document)),
                 ("runs", "Every run", runs_section(document)),
                 ("cannot", "Tools that failed", cannot_section(document))]
    body = "".join(f'<section id="{key}"><h2>{html.escape(title)}</h2>{content or NOT_MEASURED}</section>\n'
                   for key, title, content in sections)
    return ('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1"><title>pgfanout: measurements</title>'
            f"<style>{STYLE}</style></head><body><h1>pgfanout: measurements</h1>{introduction(document)}{body}</body></html>\n")


NOT_MEASURED = '<p class="none">not measured</p>'


def introduction(document):
    program = document.get("pgfanout", {})
    text = (f"{document.get('created', '')}, pgfanout {program.get('version', '')} ({program.get('commit', '')}),"
            f" plan {document.get('mode', '')}.")
    if not document.get("complete"):
        text += " Some scenarios did not run to their end."
    return (f"<p>{html.escape(text)} Methods alternated within a run. Compare only ratios within one run:"
            " times of the same work differ from hour to hour and from machine to machine.</p>")


def table(header, rows):
    """Cells are text, or (text, class)."""
    def cell(value, tag):
        words, style = value if isinstance(value, tuple) else (value, "")
        return f'<{tag}{f" class={chr(34)}{style}{chr(34)}" if style else ""}>{html.escape(str(words))}</{tag}>'

    lines = [f"<tr>{''.join(cell(value, 'th') for value in header)}</tr>"] if header else []
    lines += [f"<tr>{''.join(cell(value, 'td') for value in row)}</tr>" for row in rows]
    return f'<div class="wide"><table>{"".join(lines)}</table></div>'


def machine_section(document):
    facts = document.get("machine", {})
    rows = [("processor", facts.get("cpu")), ("cores", facts.get("cores")), ("memory", f"{facts.get('memory_mib')} MiB"),
            ("kernel", facts.get("kernel")), ("file system", facts.get("filesystem"))]
    cases = [case for name in document.get("scenarios", {}) for case in results.cases(document, name)]
    rows.append(("PostgreSQL", ", ".join(sorted({case["postgresql"] for case in cases})) or "-"))
    settings = {name: value for case in cases for name, value in case["settings"].items()}
    rows.append(("settings", ", ".join(f"{name} = {value}" for name, value in settings.items()) or "-"))
    return table(None, rows)


def bars_section(document):
    style = {True: "good", False: "bad", None: "none"}
    return table(["measure", "measured", "spread", "bar", "rows", "verdict"], [
        [line["text"], line["measured"], line["spread"], line["bar"], line["rows"], (line["verdict"], style[line["reached"]])]
        for line in bars.table(document)])


def median_run(runs):
    return sorted(runs, key=lambda run: run["wall"])[(len(runs) - 1) // 2]


# The kind of work of each stage of pgfanout and of each phase of the peer.
PREPARE, LOAD, FINISH, CHECK = "prepare", "load", "keys, indexes, statistics", "checks"
KINDS = {"preflight": PREPARE, "prepare": PREPARE, "create": PREPARE, "copy": LOAD, "insert": LOAD,
         "index": FINISH, "constraints": FINISH, "analyze": FINISH, "finish": FINISH, "leaves": FINISH, "parent": FINISH,
         "analyze_parent": FINISH, "verify": CHECK, "sums": CHECK}

SHORT = {"items": " (586 bytes)", "demo": " (demo's)"}


def window_plot(document):
    picture = window_picture(document)
    return picture and ('<p class="note">Of each method the run of median time. Stages of the two are not the same work:'
                        " pgfanout reads back and proves within copy.</p>" + picture)


def window_picture(document):
    """Seconds for each million rows, so that sizes can be compared; the empty string if nothing was measured."""
    rows = []
    for case in sorted(results.cases(document, "window"), key=lambda case: (case["parameters"].get("shape"), case["rows"])):
        millions = case["rows"] / bars.MILLION
        shape = SHORT.get(case["parameters"].get("shape"), "")
        for name, words in (("pgfanout", "pgfanout"), ("expert", "expert's SQL")):
            if results.runs(case, name):
                run = median_run(results.runs(case, name))
                parts = [(KINDS.get(phase["name"], "other"), phase["seconds"] / millions, phase["name"])
                         for phase in run.get("phases", [])]
                rest = run["wall"] / millions - sum(value for _, value, _ in parts)
                rows.append((f"{millions:g} million{shape}: {words}",
                             parts + [("other", max(rest, 0.0), "between the phases")]))
    return svg.stacked_bars("the window by stage, seconds for a million rows", rows, "s") if rows else ""


def methods_plot(found):
    best = benchmark.best_by_method(found or [])
    if not best:
        return ""
    return svg.bars("throughput by method", [(name, rate, f"{rate:,.0f}") for name, rate in best], "rows/s")


def writers_plot(found):
    series = list(benchmark.by_writers(found or []).items())
    return svg.lines("throughput by writers", series, "writers", "rows/s", x_logarithmic=True) if series else ""


def size_plot(document):
    points = []
    for case in sorted(results.cases(document, "size"), key=lambda case: case["rows"]):
        costs = [1e6 * wall / case["rows"] for wall in stats.values(results.runs(case, "pgfanout"), "wall")]
        if costs:
            points.append((case["rows"], statistics.median(costs), min(costs), max(costs)))
    return svg.lines("cost per row", [("pgfanout copy", points)], "rows", "µs a row", x_logarithmic=True) if points else ""


def memory_plot(document):
    series = []
    for name in ("size", "memory"):
        for case in results.cases(document, name):
            for run in results.runs(case, "pgfanout")[:1]:
                points = [(seconds, bytes_ / bars.MIB) for seconds, bytes_ in run.get("memory", [])]
                if points:
                    series.append((case["name"], [(x, y, y, y) for x, y in points]))
    return svg.lines("memory over time", series[:svg.SERIES], "s", "MiB resident", points=False) if series else ""


def leaves_plot(document):
    plots = ""
    cases = results.cases(document, "leaves")
    for version in dict.fromkeys(case["postgresql"] for case in cases):
        rows = []
        for case in cases:
            sizes = [run["sizes"] for method in case["methods"].values() for run in method["runs"] if "sizes" in run]
            if case["postgresql"] == version and sizes:
                total = sizes[0]["table_bytes"]
                source = case.get("source", {}).get("table_bytes")
                rows.append((case["name"], total / bars.MIB, f"{total / source:.2f}" if source else ""))
        if rows:
            plots += (f"<h3>PostgreSQL {html.escape(version)}</h3>"
                      '<p class="note">MiB without indexes; behind each bar: over the size of the source.</p>'
                      + svg.bars(f"size of the leaves, PostgreSQL {version}", rows, "MiB"))
    return plots


def runs_section(document):
    """Wall time of each run, and the ratios."""
    text = ""
    for name, entry in document.get("scenarios", {}).items():
        text += f"<h3>{html.escape(name)}: {html.escape(entry['title'])}</h3>"
        if entry.get("failed"):
            text += f'<p class="bad">failed: {html.escape(entry["failed"])}</p>'
        for case in entry["cases"]:
            methods = {key: method for key, method in case["methods"].items() if method["runs"]}
            if not methods:
                continue
            rows = [(method["title"], stats.values(method["runs"], "wall"), stats.median(method["runs"]))
                    for method in methods.values()]
            text += f'<p class="note">{html.escape(case["name"])}, PostgreSQL {html.escape(case["postgresql"])}</p>'
            text += svg.strips(f"{name}: {case['name']}", rows, "s") + ratios_of(case, methods)
    return text


def ratios_of(case, methods):
    rows = []
    for key, method in methods.items():
        ratio = stats.ratio(results.runs(case, "pgfanout"), method["runs"]) if key != "pgfanout" else None
        if ratio:
            note = f" (less work: {method['less_work']})" if method.get("less_work") else ""
            rows.append([f"pgfanout / {method['title']}{note}", f"{ratio.value:.2f}", f"{ratio.low:.2f} to {ratio.high:.2f}"])
    return table(["ratio of medians", "", "rounds"], rows) if rows else ""


def cannot_section(document):
    rows = [[name, reason] for scenario in document.get("scenarios", {}) for case in results.cases(document, scenario)
            for name, reason in case.get("cannot", {}).items()]
    return table(["tool", "reason"], rows) if rows else '<p class="none">nothing</p>'
