"""Tables for a terminal."""

from lib import bars, results, stats


def table(header, rows):
    """The first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    return "\n".join("  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))])
                     .rstrip() for row in [header, *rows])


def bars_table(document):
    header = ["measure", "measured", "spread", "bar", "rows", "verdict"]
    return table(header, [[line["text"], line["measured"], line["spread"], line["bar"], line["rows"], line["verdict"]]
                          for line in bars.table(document)])


def methods_table(case):
    """Medians of every method of a case, and pgfanout's time over that of each."""
    own = results.runs(case, "pgfanout")
    rows = []
    for name, method in case["methods"].items():
        if not method["runs"]:
            continue
        walls = stats.values(method["runs"], "wall")
        ratio = stats.ratio(own, method["runs"]) if name != "pgfanout" else None
        title = method["title"] + (f" [less work: {method['less_work']}]" if method.get("less_work") else "")
        rows.append([title, f"{stats.median(method['runs']):.2f}", f"{min(walls):.2f}-{max(walls):.2f}",
                     f"{stats.median(method['runs'], 'servers_cpu') or 0:.2f}", f"{stats.median(method['runs'], 'client_cpu'):.2f}",
                     f"{(stats.median(method['runs'], 'wal_bytes') or 0) / bars.MIB:.0f}",
                     f"{stats.median(method['runs'], 'checkpoints') or 0:.0f}",
                     f"{stats.median(method['runs'], 'idle_share'):.0%}", f"{stats.median(method['runs'], 'steal'):.2f}",
                     f"{stats.median(method['runs'], 'peak_rss_bytes') / bars.MIB:.0f}",
                     f"{ratio.value:.2f} ({ratio.low:.2f}-{ratio.high:.2f})" if ratio else "-"])
    text = table(["", "wall s", "range", "servers' CPU s", "client's CPU s", "WAL MiB", "checkpoints", "idle", "stolen s", "peak RSS MiB",
                  "pgfanout / it"], rows)
    return text + "".join(f"\ncannot: {name}: {reason}" for name, reason in case["cannot"].items())


def scenario(name, entry):
    text = f"{name}: {entry['title']}" + ("" if entry["complete"] else " (not complete)") + "\n"
    if entry.get("failed"):
        text += f"failed: {entry['failed']}\n"
    for case in entry["cases"]:
        text += f"\n{case['name']}, PostgreSQL {case['postgresql']}\n{methods_table(case)}\n"
    return text
