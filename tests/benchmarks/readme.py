"""Write a benchmark run into the README of this folder: ``python -m tests.benchmarks.readme
bench.json``."""

import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.tables import number
from tests.markdown import between

README = Path(__file__).parent / "README.md"


def readme_text(bench: dict[str, Any]) -> str:
    """Markdown: the machine, the goals of all parts, then the figures of each part."""
    about = bench["machine"]
    lines = [
        f"{about['processor']}, {about['cores']} cores, {about['memory']}, {about['system']}, "
        f"Python {about['python']}; medians (lowest to highest).",
        "",
        "| ratio | median | at least | aim | |",
        "|---|---|---|---|---|",
    ]
    parts = bench["parts"].values()
    for part in parts:
        lines += [_goal(goal) for goal in part["goals"]]
    for part in parts:
        lines += ["", *_figures(part)]
    return "\n".join(lines)


def _goal(goal: dict[str, Any]) -> str:
    sign = "≤ " if goal["below"] else ""
    bounds = f"{sign}{number(goal['least'])} | {sign}{number(goal['aim'])}"
    if goal["median"] is None:
        return f"| {goal['what']} | not measured | {bounds} | |"

    def met(wanted: float) -> bool:
        return bool(goal["median"] <= wanted if goal["below"] else goal["median"] >= wanted)

    verdict = "met, and the aim" if met(goal["aim"]) else "met" if met(goal["least"]) else "missed"
    return f"| {goal['what']} | {_spread(goal['values'])} | {bounds} | {verdict} |"


def _figures(part: dict[str, Any]) -> list[str]:
    columns = list(dict.fromkeys(name for one in part["subjects"].values() for name in one))
    lines = [
        f"| {part['title']} (steal {part['steal']:.0%}) | {' | '.join(columns)} |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for subject, figures in part["subjects"].items():
        cells = [_spread(figures[name]) if figures.get(name) else "" for name in columns]
        lines.append(f"| {subject} | {' | '.join(cells)} |")
    for subject, reason in part["missing"].items():
        lines.append(f"| {subject} | missing: {reason} |{' |' * (len(columns) - 1)}")
    return lines


def _spread(values: Sequence[float]) -> str:
    median = number(statistics.median(values))
    if len(values) == 1:
        return median
    return f"{median} ({number(min(values))} to {number(max(values))})"


if __name__ == "__main__":
    made = readme_text(json.loads(Path(sys.argv[1]).read_text()))
    README.write_text(between(README.read_text(), "run", f"\n{made}\n\n"))
