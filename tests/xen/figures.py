#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes tables, a JSON file and plots of what the lab's bench measured.

usage: figures.py FIGURES RESULT.JSON [FOLDER]

FIGURES has one JSON object a line, as tests/xen/dom0/scenario-bench.sh wrote
them. Medians over the rounds; "stock" is netback and netfront, "agg" xenagg.
The tables are Markdown, as docs/measurements.md has them; in FOLDER they are
measurements.md, beside the plots.
All of it is from an emulated CPU: compare within a table, believe no figure.
"""
import collections
import json
import pathlib
import statistics
import subprocess
import sys

SIDES = {"stock": "netback, netfront", "fixed": "xenagg, 4096 bytes, 200 us", "fixed-200": "xenagg, 200 packets, 200 us", "tuned": "xenagg, retuned"}
SEEN = ("mean_us", "p99_us", "max_us", "jitter_us", "jitter_max_us")
TOLD = ("rx_packets", "rx_timeout_us", "predicted_us", "measured_us")


def read(path):
    figures = []
    for line in pathlib.Path(path).read_text().splitlines():
        try:
            figures.append(json.loads(line))
        except json.JSONDecodeError:
            print(f"figures.py: not a figure: {line}", file=sys.stderr)
    return figures


def of(figures, what):
    return [f for f in figures if f["what"] == what]


def rate(figure):
    seen = figure["seen"]
    return seen["packets"] / seen["seconds"] if seen["seconds"] else 0


def medians(figures, key, value):
    groups = collections.defaultdict(list)
    for figure in figures:
        groups[key(figure)].append(value(figure))
    return {name: statistics.median(values) for name, values in groups.items()}


def median(values):
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else None


def text(value, digits=0):
    return f"{value:.{digits}f}" if isinstance(value, (int, float)) else "-"


def table(head, rows):
    """Lines of a Markdown table, and an empty one."""
    lines = [head, ["---"] * len(head)] + rows
    return ["| " + " | ".join(line) + " |" for line in lines] + [""]


def times(figures):
    found = medians(of(figures, "until packets pass"), lambda f: f["after"], lambda f: f["ms"])
    rows = [[after, text(ms / 1e3, 1)] for after, ms in found.items()]
    return found, table(["until packets pass, after", "s"], rows)


def per_packet(figure, key):
    """CPU time, us, from the share of a CPU; what is not known stays so."""
    return figure[key] * 1e6 / rate(figure) if key in figure and rate(figure) else None


def throughput(figures, what):
    groups = collections.defaultdict(list)
    for figure in of(figures, what):
        groups[figure["side"], figure["k"]].append(figure)
    stock = median(map(rate, groups.get(("stock", 0), []))) or 0
    rows, lines = [], []
    for (side, k), found in groups.items():
        row = {"side": side, "k": k, "packets_per_s": round(median(map(rate, found)))}
        row["of_stock"] = round(row["packets_per_s"] / stock, 2) if stock else None
        for key in ("dom0_cpu", "netback_cpu", "guest_cpu"):
            row[key.replace("_cpu", "_us")] = median(per_packet(f, key) for f in found)
        rows.append(row)
        lines.append([f"xenagg, k = {k}" if k else "netback, netfront", text(row["packets_per_s"] / 1e3, 2),
                      text(row["of_stock"], 2), text(row["dom0_us"]), text(row["netback_us"]) if k else "-",
                      text(row["guest_us"])])
    head = [f"60-byte UDP {what}", "thousand packets/s", "times stock", "CPU of dom0, us a packet", "... of xenagg-netback",
            "CPU of the guest"]
    return rows, table(head, lines)


def load_row(side, offered, found):
    seen = [f["seen"] for f in found]
    row = {"side": side, "rate": offered, "rounds": len(found)}
    row["loss"] = median(1 - s["packets"] / s["numbers"] if s.get("numbers") else None for s in seen)
    for key in SEEN:
        row[key] = median(s.get(key) for s in seen)
    for key in TOLD:
        row[key] = median(f.get(key) for f in found)
    return row


def load_rows(figures):
    groups = collections.defaultdict(list)
    for figure in of(figures, "over the load"):
        groups[figure["side"], figure["rate"]].append(figure)
    return [load_row(side, offered, found) for (side, offered), found in groups.items()]


def loads(rows):
    """Forwarded through the guest."""
    lines = [[SIDES[r["side"]], str(r["rate"])] + [text(r[key] / 1e3 if r[key] else None, 1) for key in SEEN]
             + [text(100 * r["loss"], 1) if r["loss"] is not None else "-"] for r in rows]
    return table(["forwarded through a guest", "offered/s", "mean delay, ms", "99 %", "maximum", "jitter (RFC 3550)",
                  "its maximum", "lost, %"], lines)


def experiment(rows):
    """Into the guest: what the model said and what was measured."""
    lines = []
    for r in rows:
        if r["predicted_us"] and r["measured_us"]:
            error = 100 * (r["predicted_us"] / r["measured_us"] - 1)
            lines.append([SIDES[r["side"]], str(r["rate"]), text(r["rx_packets"]), text(r["rx_timeout_us"]),
                          text(r["predicted_us"] / 1e3, 2), text(r["measured_us"] / 1e3, 2), f"{error:+.0f} %"])
    return table(["one way into the guest", "offered/s", "packets", "timeout, us", "model, ms", "measured, ms", "error"], lines)


def gnuplot(folder, name, labels, series):
    """series: title -> [(x, y)]; nothing is drawn of nothing."""
    if not series:
        return
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    blocks, plots = [], []
    for number, (title, points) in enumerate(series.items()):
        blocks.append(f"$s{number} << EOD\n" + "\n".join(f"{x} {y}" for x, y in points) + "\nEOD")
        plots.append(f"$s{number} using 1:2 with linespoints title '{title}'")
    script = "\n".join(blocks + [
        "set terminal svg size 720,420 font 'sans,11'", f"set output '{folder}/{name}.svg'",
        f"set title '{labels[0]}'", "set xlabel 'offered packets/s'", f"set ylabel '{labels[1]}'",
        "set logscale xy" if labels[2] else "set logscale x", "set key top left", "set grid", "plot " + ", ".join(plots)])
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def by_side(rows, key):
    series = collections.defaultdict(list)
    for row in rows:
        if row[key] is not None and (key == "loss" or row[key] > 0):
            series[SIDES.get(row["side"], row["side"])].append((row["rate"], row[key]))
    return series


def plots(rows, folder):
    gnuplot(folder, "xen-delay", ("Forwarded through a guest on emulated Xen: mean delay", "us", True), by_side(rows, "mean_us"))
    gnuplot(folder, "xen-jitter", ("Forwarded through a guest on emulated Xen: jitter (RFC 3550)", "us", True), by_side(rows, "jitter_us"))
    gnuplot(folder, "xen-loss", ("Forwarded through a guest on emulated Xen: loss", "share", False), by_side(rows, "loss"))
    model = {}
    for side in ("fixed-200", "tuned"):
        mine = [r for r in rows if r["side"] == side]
        model[f"{SIDES[side]}: model"] = [(r["rate"], r["predicted_us"]) for r in mine if r["predicted_us"]]
        model[f"{SIDES[side]}: measured"] = [(r["rate"], r["measured_us"]) for r in mine if r["measured_us"]]
    model = {title: points for title, points in model.items() if points}
    gnuplot(folder, "xen-model", ("Into a guest on emulated Xen: model and experiment", "us", True), model)


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    figures = read(sys.argv[1])
    rows = load_rows(figures)
    found, lines = times(figures)
    result = {"emulated": True, "until_packets_pass_ms": found}
    for key, what in (("to_guest", "to a guest"), ("through_guest", "through a guest")):
        result[key], more = throughput(figures, what)
        lines += more
    lines += loads(rows) + experiment(rows)
    result["over_load"] = rows
    result["figures"] = figures
    pathlib.Path(sys.argv[2]).write_text(json.dumps(result, indent=1) + "\n")
    print("\n".join(lines))
    if len(sys.argv) == 4:
        pathlib.Path(sys.argv[3]).mkdir(parents=True, exist_ok=True)
        pathlib.Path(sys.argv[3], "measurements.md").write_text("\n".join(lines) + "\n")
        plots(rows, sys.argv[3])


if __name__ == "__main__":
    main()
