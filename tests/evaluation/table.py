"""Format the results as text and as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tests.evaluation.intervals import Figure
from tests.evaluation.measures import Doubts, Wrong
from tests.evaluation.places import Places
from tests.evaluation.real import RealImage
from tests.evaluation.realistic.rows import RealisticRow
from tests.evaluation.rows import Row

_COLUMNS = {
    "sensitivity": "sensitivity",
    "sensitivity_large": ">= 0.03 ml",
    "false_per_scan": "false per scan",
    "f1": "F1",
    "dice": "Dice (mean)",
    "dice_pooled": "Dice (pooled)",
    "lesion_error": "lesion ml",
    "grey_error": "grey ml",
    "white_error": "white ml",
    "csf_error": "CSF ml",
    "intracranial_error": "intracranial ml",
    "unread": "not analysed",
    "seconds": "s",
}
_SHARES = {name for name in _COLUMNS if name.endswith("_error")} | {"unread"}

WRONG_SHARE_MAX = 0.02
"""Goal for the share of scans without a doubt whose volume of lesions or tissues is wrong."""

AnyRow = Row | RealisticRow
Results = Mapping[str, Mapping[str, Figure]]


def missed_by(row: AnyRow, figures: Mapping[str, Figure]) -> list[str]:
    """Describe the goals that a row misses; an unmeasured figure misses its goal."""
    missed = []
    for name, goal in row.at_least.items():
        value = figures[name].value
        if value is None or value < goal:
            missed.append(
                f"{_COLUMNS[name]} {_number(name, value)}, at least {_number(name, goal)}"
            )
    for name, goal in row.at_most.items():
        value = figures[name].value
        if value is None or value > goal:
            missed.append(f"{_COLUMNS[name]} {_number(name, value)}, at most {_number(name, goal)}")
    return missed


def verdict_of(doubts: Doubts) -> str:
    """Describe in a line how often realistic scans have a wrong volume, and whether the goal is
    met."""
    share = doubts.undoubted.share
    if share.value is None or share.high is None:
        return "- verdict: no realistic scan was read without a doubt"
    met = share.value <= WRONG_SHARE_MAX
    return (
        f"- verdict: of {doubts.undoubted.scans} realistic FLAIR scans without a doubt (about more "
        f"than the size of the head), {doubts.undoubted.either} ({share.value:.1%}, 95 % upper "
        f"bound {share.high:.1%}) have wrong volumes: {_volumes(doubts.undoubted)}; of the "
        f"{doubts.passed.scans} with 'pass' among them: {_volumes(doubts.passed)}; of "
        f"{doubts.doubted.scans} with doubts: {_volumes(doubts.doubted)}: "
        + ("the goal met" if met else f"missed: at most {WRONG_SHARE_MAX:.0%}")
    )


def verdicts_of(doubts: Mapping[str, Doubts]) -> str:
    """Format a Markdown table: of how many scans of each realistic row volumes are wrong."""
    lines = ["", "| set | `pass` | lesions wrong | tissues wrong | doubts | lesions wrong "
             "| tissues wrong |", "|---|---|---|---|---|---|---|"]  # fmt: skip
    for name, own in doubts.items():
        cells = [
            f"{wrong.scans} | {wrong.lesions} | {wrong.tissues}"
            for wrong in (own.undoubted, own.doubted)
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _volumes(wrong: Wrong) -> str:
    return f"lesions {wrong.lesions}, tissues {wrong.tissues}"


def text_of(
    rows: Sequence[AnyRow], results: Results, real: Sequence[RealImage], scans: Mapping[str, int]
) -> str:
    """Format a Markdown table and the verdict on each goal. Errors are absolute and relative, in
    percent; brackets contain 95 % confidence intervals."""
    lines = [
        f"{_counts(scans)} held-out scans per row; noise / non-uniformity in percent; "
        "[95 % confidence].",
        "",
        "| set | " + " | ".join(_COLUMNS.values()) + " |",
        "|---|" + "---|" * len(_COLUMNS),
    ]
    for row in rows:
        cells = [_cell(name, results[row.name][name]) for name in _COLUMNS]
        lines.append(f"| {row.name} | " + " | ".join(cells) + " |")
    lines.append("")
    for row in rows:
        goals = len(row.at_least) + len(row.at_most)
        missed = missed_by(row, results[row.name])
        met = {0: "no goal", 1: "the goal met"}.get(goals, f"all {goals} goals met")
        verdict = "missed: " + "; ".join(missed) if missed else met
        lines.append(f"- {row.name}: {verdict}")
    for image in real:
        dice = "" if image.brain_dice is None else f", Dice of the brain {image.brain_dice:.3f}"
        volume = "unknown" if image.intracranial_ml is None else f"{image.intracranial_ml:.0f} ml"
        verdict = "missed: " + "; ".join(image.wrong) if image.wrong else "all goals met"
        lines.append(
            f"- {image.name}: {image.lesions} lesions, intracranial volume {volume}{dice}: "
            f"{verdict}"
        )
    return "\n".join(lines)


def json_of(
    rows: Sequence[AnyRow],
    results: Results,
    real: Sequence[RealImage],
    scans: Mapping[str, int],
    places: Mapping[str, Places],
) -> dict[str, Any]:
    """Format the results as JSON."""
    return {
        "rows": [
            {
                "name": row.name,
                "scans": scans[row.name],
                "shape": list(row.shape) if isinstance(row, Row) else None,
                "figures": {
                    name: {"value": figure.value, "low": figure.low, "high": figure.high}
                    for name, figure in results[row.name].items()
                },
                "places": None if places.get(row.name) is None else asdict(places[row.name]),
                "at_least": row.at_least,
                "at_most": row.at_most,
                "missed": missed_by(row, results[row.name]),
            }
            for row in rows
        ],
        "real": [
            {
                "name": image.name,
                "failed": image.failed,
                "lesions": image.lesions,
                "intracranial_ml": image.intracranial_ml,
                "brain_dice": image.brain_dice,
                "missed": list(image.wrong),
            }
            for image in real
        ],
    }


def _counts(scans: Mapping[str, int]) -> str:
    return " or ".join(map(str, sorted(set(scans.values()), reverse=True))) or "No"


def _cell(name: str, figure: Figure) -> str:
    text = _number(name, figure.value)
    if figure.value is None or figure.low is None or figure.high is None:
        return text
    return f"{text} [{_number(name, figure.low)}, {_number(name, figure.high)}]"


def _number(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    if name in _SHARES:
        return f"{value:.1%}"
    return f"{value:.2f}" if name in ("seconds", "false_per_scan") else f"{value:.3f}"
