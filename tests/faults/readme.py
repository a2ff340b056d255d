"""Write runs of ``make faults`` into the README of this folder: ``python -m tests.faults.readme
REPORT.json …``."""

import statistics
import sys
from collections import Counter
from pathlib import Path

from tests.faults.checker import Kind
from tests.faults.report import Result
from tests.markdown import between

README = Path(__file__).parent / "README.md"


def readme_text(results: list[Result]) -> str:
    """Markdown: a line per run, a line for all runs, then a table row per fault over all runs."""
    lines = []
    kills: Counter[str] = Counter()
    for result in results:
        found = f"{len(result.violations)} violations" if result.violations else "passed"
        lines.append(f"* `{result.command}`: {_minutes(result.seconds)}, {found}")
        kills.update(result.kills)
        kills.update(_primaries(result))
    killed = ", ".join(f"{name} {number:,}" for name, number in sorted(kills.items()))
    gaps = [
        sum(episode[key] or 0 for result in results for episode in result.episodes)
        for key in ("gaps", "audit_gaps")
    ]
    lines += [
        "",
        f"Together: {sum(result.acknowledged for result in results):,} scans acknowledged, "
        f"{sum(result.delivered for result in results):,} reports delivered; killed: {killed}; "
        f"`make verify` and `make audit` after each of "
        f"{sum(len(result.episodes) for result in results)} worlds: {gaps[0]} and {gaps[1]} gaps.",
        "",
        "| fault | injected | lost | duplicates | other violations | recovered, p50 s |",
        "|---|---|---|---|---|---|",
        *_rows(results),
    ]
    return "\n".join(lines)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 600 else f"{seconds:.0f} s"


def _primaries(result: Result) -> dict[str, int]:
    number = sum(
        row.get("primaries_killed", row["injected"] if row["fault"] == "primary-killed" else 0)
        for row in result.rows
    )
    return {"a primary": number} if number else {}


def _rows(results: list[Result]) -> list[str]:
    lines = []
    for name, what in sorted(
        {row["fault"]: row["what"] for result in results for row in result.rows}.items()
    ):
        rows = [row for result in results for row in result.rows if row["fault"] == name]
        took = [seconds for row in rows for seconds in row["recovered_s"]]
        number = {kind: sum(row.get(kind.name.lower(), 0) for row in rows) for kind in Kind}
        lost = number.pop(Kind.LOST) + number.pop(Kind.REPORT_LOST)
        twice = number.pop(Kind.DUPLICATE)
        recovered = f"{statistics.median(took):.1f}" if took else "-"
        lines.append(
            f"| {name}: {what} | {sum(row['injected'] for row in rows):,} | {lost} | {twice} | "
            f"{sum(number.values())} | {recovered} |"
        )
    return lines


if __name__ == "__main__":
    every = [Result.model_validate_json(Path(name).read_text()) for name in sys.argv[1:]]
    README.write_text(between(README.read_text(), "runs", f"\n{readme_text(every)}\n\n"))
