#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes tables, a JSON file and plots of what the lab's bench measured.

usage: figures.py FIGURES RESULT.JSON [IMAGE-FOLDER]

FIGURES has one JSON object a line, as tests/xen/dom0/scenario-bench.sh wrote
them. Medians over the rounds; "stock" is netback and netfront, "agg" xenagg.
All of it is from an emulated CPU: compare within a table, believe no figure.
"""
import collections
import json
import pathlib
import statistics
import subprocess
import sys

SIDES = {"stock": "netback, netfront", "fixed": "xenagg, 78 packets, 200 us", "tuned": "xenagg, retuned"}


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


def times(figures):
    found = medians(of(figures, "until packets pass"), lambda f: f["after"], lambda f: f["ms"])
    print("\nUntil packets pass, ms (median)")
    for after, ms in found.items():
        print(f"  {after:24} {ms:8.0f}")
    return found


def throughput(figures, what):
    found = medians(of(figures, what), lambda f: (f["side"], f["k"]), rate)
    stock = found.get(("stock", 0), 0)
    rows = []
    print(f"\n60-byte UDP {what}, thousand packets/s (median)")
    for (side, k), packets in found.items():
        ratio = packets / stock if stock else 0
        rows.append({"side": side, "k": k, "packets_per_s": round(packets), "of_stock": round(ratio, 2)})
        print(f"  {side:6} {'k = ' + str(k) if k else '':8} {packets / 1e3:8.1f}   {ratio:5.2f} of stock")
    return rows


def load_row(figure):
    seen = figure["seen"]
    row = {"side": figure["side"], "rate": figure["rate"], "offered": round(seen.get("numbers", 0) / max(seen["seconds"], 1e-9))}
    row["loss"] = round(1 - seen["packets"] / seen["numbers"], 4) if seen.get("numbers") else None
    for key in ("mean_us", "p50_us", "p99_us", "max_us", "jitter_us", "jitter_max_us"):
        row[key] = seen.get(key)
    for key in ("rx_packets", "rx_timeout_us", "predicted_us", "measured_us"):
        row[key] = figure.get(key)
    return row


def text(value, width):
    return f"{value:{width}.0f}" if isinstance(value, (int, float)) else " " * (width - 1) + "-"


def loads(figures):
    rows = [load_row(f) for f in of(figures, "over the load")]
    print("\nForwarded through a guest, over the load: delay and RFC 3550 jitter, us; one way in: model, measured, us")
    print("  side      rate/s  offered     mean      p99       max   jitter  loss %  size    us     model  measured")
    for r in rows:
        loss = "-" if r["loss"] is None else f"{100 * r['loss']:.1f}"
        print(f"  {r['side']:6} {r['rate']:9}{r['offered']:9}" + text(r["mean_us"], 9) + text(r["p99_us"], 9) + text(r["max_us"], 10)
              + text(r["jitter_us"], 9) + f"{loss:>8}" + text(r["rx_packets"], 6) + text(r["rx_timeout_us"], 6)
              + text(r["predicted_us"], 10) + text(r["measured_us"], 10))
    return rows


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
    for side in ("fixed", "tuned"):
        mine = [r for r in rows if r["side"] == side]
        model[f"{SIDES[side]}: model"] = [(r["rate"], r["predicted_us"]) for r in mine if r["predicted_us"]]
        model[f"{SIDES[side]}: measured"] = [(r["rate"], r["measured_us"]) for r in mine if r["measured_us"]]
    model = {title: points for title, points in model.items() if points}
    gnuplot(folder, "xen-model", ("Into a guest on emulated Xen: model and experiment", "us", True), model)


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    figures = read(sys.argv[1])
    result = {"emulated": True, "until_packets_pass_ms": times(figures)}
    result["to_guest"] = throughput(figures, "to a guest")
    result["through_guest"] = throughput(figures, "through a guest")
    result["over_load"] = loads(figures)
    result["figures"] = figures
    pathlib.Path(sys.argv[2]).write_text(json.dumps(result, indent=1) + "\n")
    if len(sys.argv) == 4:
        plots(result["over_load"], sys.argv[3])


if __name__ == "__main__":
    main()
