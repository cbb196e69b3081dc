"""Fills the measured parts of docs/PERFORMANCE.md, between `<!-- measured: NAME -->` and `<!-- end -->`, and draws its
picture."""

import re

from lib import bars, page, results, stats, svg
from lib.failure import Misuse

MARKED = re.compile(r"(<!-- measured: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text, document):
    """The page with the results in place of what is between its marks."""
    parts = {"machine": machine, "results": bars_table, "profiles": profiles}
    found = [match[2] for match in MARKED.finditer(text)]
    if sorted(found) != sorted(parts):
        raise Misuse(f"the page has the marks {', '.join(found) or 'none'}; it needs each of {', '.join(parts)} once")
    return MARKED.sub(lambda match: match[1] + parts[match[2]](document) + match[3], text)


def picture(document):
    plot = page.window_picture(document)
    if not plot:
        raise Misuse("the results have no window: perf/run window")
    # With the colours themselves: not every program that draws SVG knows variables.
    def rules(colours):
        return re.sub(r"var\(--(\w+)\)", lambda match: colours[match[1]], page.PLOTS)

    return svg.standalone(plot, f"{rules(page.LIGHT)}@media (prefers-color-scheme: dark) {{\n{rules(page.DARK)}}}")


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def machine(document):
    facts = document.get("machine", {})
    versions = sorted({case["postgresql"] for name in document["scenarios"] for case in results.cases(document, name)})
    program = document.get("pgfanout", {})
    text = (f"{facts.get('cores')} processors ({facts.get('cpu')}), {(facts.get('memory_mib') or 0) / 1024:.0f} GiB, Linux"
            f" {str(facts.get('kernel')).split('-')[0]}, PostgreSQL {' and '.join(versions)}, commit {program.get('commit')},"
            f" {document.get('created', '')[:10]}.")
    sizes = {(case["rows"], case["parameters"].get("shape")): case for name in ("window", "verify")
             for case in results.cases(document, name)}
    rows = [f"{count:,} rows of {shape_words(shape)}: table {case['source']['table_bytes'] / bars.MIB:,.0f} MiB,"
            f" `shared_buffers` {case['settings']['shared_buffers']}, `max_wal_size` {case['settings']['max_wal_size']}"
            for (count, shape), case in sorted(sizes.items()) if "source" in case]
    return "".join(f"{line}\n" for line in [text, "", *(f"* {row}" for row in rows)])


def shape_words(shape):
    return {"items": "586 bytes", "demo": "the demo"}.get(shape, str(shape))


def bars_table(document):
    """Bars that were not measured are listed, too: a missing number is not a reached bar."""
    return table(["measure", "rows", "measured", "bar", ""], [
        [line["text"], line["rows"], line["measured"] + (f" ({line['spread']})" if line["found"] else ""), line["bar"],
         line["verdict"]] for line in bars.table(document)])


def profiles(document):
    """Where the time goes in each comparison with a peer whose bar is missed."""
    rows = []
    for line in bars.table(document):
        found = line["found"]
        if line["reached"] is False and found.case:
            for name in ("pgfanout", found.peer):
                method = found.case["methods"][name]
                rows.append([f"{line['text']}, {found.rows:,} rows" if name == "pgfanout" else "", method["title"],
                             *costs(method["runs"]), stage_words(method["runs"])])
    if not rows:
        return "No bar against a peer is missed.\n"
    return table(["bar", "method", "wall s", "processor s: servers + client", "WAL MiB", "checkpoints", "blocks read",
                  "stages, s (sessions at work or waiting)"], rows)


def costs(runs):
    def middle(field):
        return stats.median(runs, field) or 0

    return [f"{middle('wall'):.1f}", f"{middle('servers_cpu'):.1f} + {middle('client_cpu'):.1f}",
            f"{middle('wal_bytes') / bars.MIB:,.0f}", f"{middle('checkpoints'):.0f}", f"{middle('blocks_read'):,.0f}"]


def stage_words(runs):
    """The stages of the run of median time that took a twentieth of it or more, the longest first, each with its most
    frequent wait events: how many sessions were there at a time, in the mean."""
    run = page.median_run(runs)
    waits = run.get("waits", {})
    words = []
    for phase in sorted(run.get("phases", []), key=lambda phase: -phase["seconds"]):
        if phase["seconds"] >= run["wall"] / 20:
            events = ", ".join(f"{event} {count:.1f}" for event, count in list(waits.get(phase["name"], {}).items())[:3])
            words.append(f"{phase['name']} {phase['seconds']:.1f}" + (f" ({events})" if events else ""))
    return "; ".join(words) or "-"
