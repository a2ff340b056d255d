"""Plot the figures: ``python -m tests.benchmarks.pictures bench.json FOLDER``."""

import itertools
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

from tests.benchmarks.tables import number

_OURS, _LIMIT, _PEER = "#1b6ca8", "#9a9a9a", "#d98032"


def draw(bench: dict[str, Any], folder: Path) -> list[Path]:
    """Draw one plot per part with figures, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for name, drawing in (
        ("small", lambda part: _bars(part, "scans/s")),
        ("large", lambda part: _bars(part, "MB/s")),
        ("analysis", lambda part: _bars(part, "processor s")),
        ("latency", _distribution),
        ("growth", _growth),
        ("scaling", _scaling),
    ):
        part = bench["parts"].get(name)
        if part is None:
            continue
        figure = drawing(part)
        figure.suptitle(part["title"])
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=110)
        plt.close(figure)
        drawn.append(path)
    return drawn


def _bars(part: dict[str, Any], unit: str) -> Any:
    every = {
        subject: figures[unit] for subject, figures in part["subjects"].items() if unit in figures
    }
    order = sorted(every, key=lambda subject: statistics.median(every[subject]))
    figure, axes = plt.subplots(figsize=(9, 0.45 * len(order) + 1.4), layout="constrained")
    for row, subject in enumerate(order):
        middle = statistics.median(every[subject])
        reach = [[middle - min(every[subject])], [max(every[subject]) - middle]]
        axes.barh(row, middle, color=_color(subject), xerr=reach, ecolor="black", capsize=3)
        # To the right of the whisker, which would cross it.
        end = max(every[subject])
        axes.annotate(number(middle), (end, row), (6, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(order)), order)
    axes.set_xscale("log")
    _plain(axes.xaxis)
    axes.set_xlabel(f"{unit}, median with lowest and highest round")
    axes.margins(x=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _plain(axis: Any) -> None:
    """Plain numbers on a logarithmic axis: 20, not 2 x 10^1."""
    axis.set_major_formatter(lambda value, _: f"{value:,g}")
    axis.set_minor_formatter(lambda value, _: f"{value:,g}" if _leads(value) else "")


def _leads(value: float) -> bool:
    return f"{value:.0e}"[0] in "25"


def _color(subject: str) -> str:
    if subject.startswith("limit"):
        return _LIMIT
    return _OURS if subject.startswith("Fr") else _PEER


def _distribution(part: dict[str, Any]) -> Any:
    figure, axes = plt.subplots(figsize=(9, 4.5), layout="constrained")
    dashes = itertools.cycle(("-", "--", ":", "-."))  # peers have one colour
    for subject, values in part["samples"].items():
        took = sorted(values)
        share = [(n + 1) / len(took) for n in range(len(took))]
        axes.step(took, share, label=subject, color=_color(subject), where="post",
                  linestyle=next(dashes))  # fmt: skip
    axes.set_xscale("log")
    _plain(axes.xaxis)
    axes.set_xlabel("from sending to the report, ms")
    axes.set_ylabel("share of scans")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(loc="lower right")
    return figure


def _growth(part: dict[str, Any]) -> Any:
    figure, every = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
    for axes, unit in zip(every, ("scans/s", "claim ms", "verify s"), strict=True):
        for how, color in (("done", _OURS), ("waiting", _PEER)):
            points = [
                (int(subject.split()[0].replace(",", "")), statistics.median(figures[unit]))
                for subject, figures in part["subjects"].items()
                if subject.endswith(how) and figures.get(unit)
            ]
            if points:
                axes.plot(*zip(*points, strict=True), "o-", color=color, label=how)
        axes.set_xscale("log")
        if unit == "verify s":  # it reads all scans, so time grows linearly
            axes.set_yscale("log")
            _plain(axes.yaxis)
        else:
            axes.set_ylim(0, 1.15 * axes.dataLim.y1)
        axes.set_xlabel("scans in the store")
        axes.set_ylabel(unit)
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
    return figure


def _scaling(part: dict[str, Any]) -> Any:
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    points = [
        (int(subject.split()[0]), statistics.median(figures["scans/s"]))
        for subject, figures in part["subjects"].items()
    ]
    axes.plot(*zip(*points, strict=True), "o-", color=_OURS, label="Fr")
    axes.plot([n for n, _ in points], [10 * n for n, _ in points], "--", color=_LIMIT,
              label="linear")  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    _plain(axes.xaxis)
    _plain(axes.yaxis)
    axes.set_xlabel("processors")
    axes.set_ylabel("scans/s")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    return figure


if __name__ == "__main__":
    for picture in draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])):
        print(picture)  # noqa: T201
