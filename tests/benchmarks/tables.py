"""Print the figures as tables."""

import statistics

from rich.console import Console
from rich.table import Table

from tests.benchmarks.figures import Results, names


def number(value: float) -> str:
    """Format with three significant digits."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def show(results: Results, console: Console) -> None:
    """Print the figures, then the goals."""
    runs = [run for every in results.rounds.values() for run in every]
    columns = names(runs)
    table = Table(
        title=f"{results.title} (median, lowest to highest; steal {results.steal:.0%})",
        title_justify="left",
    )
    table.add_column("")
    for name in columns:
        table.add_column(name, justify="right")
    for subject in results.rounds:
        cells = []
        for name in columns:
            values = results.values(subject, name)
            cells.append(
                f"{number(statistics.median(values))}  ({number(min(values))} to "
                f"{number(max(values))})"
                if values
                else ""
            )
        table.add_row(subject, *cells)
    for subject, reason in results.missing.items():
        table.add_row(subject, f"missing: {reason}")
    console.print(table)
    if results.goals:
        console.print(_goals(results))


def _goals(results: Results) -> Table:
    table = Table(title_justify="left", show_edge=False)
    for name, side in (("ratio", "left"), ("median", "right"), ("range", "right")):
        table.add_column(name, justify=side)  # type: ignore[arg-type]
    table.add_column("at least", justify="right")
    table.add_column("aim", justify="right")
    table.add_column("")
    for goal in results.goals:
        values = results.ratio(goal)
        bound = ("≤ " if goal.below else "") + number(goal.least)
        aim = ("≤ " if goal.below else "") + number(goal.aim)
        if not values:
            table.add_row(goal.what, "", "", bound, aim, "not measured")
            continue
        median = statistics.median(values)
        verdict = "[red]missed" if not goal.met(median, goal.least) else "[green]met"
        if goal.met(median, goal.aim):
            verdict = "[green]met, and the aim"
        table.add_row(
            goal.what, number(median), f"{number(min(values))} to {number(max(values))}",
            bound, aim, verdict,
        )  # fmt: skip
    return table
