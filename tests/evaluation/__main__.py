"""``make evaluate``: evaluate all rows and print a table. Exit code 1: a goal was missed."""

import argparse
import json
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.evaluation.measures import Outcome, doubts_of, figures_of
from tests.evaluation.places import places_of, table_of
from tests.evaluation.real import RealImage, read_real_images
from tests.evaluation.realistic import anatomy
from tests.evaluation.realistic import rows as realistic
from tests.evaluation.refusals import Refusal, read_all
from tests.evaluation.refusals import text_of as refusals_text
from tests.evaluation.reliability import reliability_of, reliability_text
from tests.evaluation.rows import ROWS, SCANS, Row
from tests.evaluation.scans import evaluate_scan
from tests.evaluation.table import (
    WRONG_SHARE_MAX,
    json_of,
    missed_by,
    text_of,
    verdict_of,
    verdicts_of,
)

REAL, REFUSALS = "real", "refusals"
AnyRow = Row | realistic.RealisticRow


def main(arguments: list[str] | None = None) -> int:
    """Evaluate the selected rows."""
    options = _options(arguments)
    rows = [row for row in _all_rows() if _wanted(row.name, options.only)]
    with_real, with_refusals = (_wanted(part, options.only) for part in (REAL, REFUSALS))
    if not rows and not with_real and not with_refusals:
        names = ", ".join([*(row.name for row in _all_rows()), REAL, REFUSALS])
        sys.stderr.write(f"ONLY={options.only} matches no row; the rows are: {names}\n")
        return 2
    scans = {row.name: options.scans or scans_of(row) for row in rows}
    outcomes, real, refusals = _run(
        rows, scans, options.jobs, with_real=with_real, with_refusals=with_refusals
    )
    results = {row.name: figures_of(outcomes[row.name]) for row in rows}
    sys.stdout.write(text_of(rows, results, real, scans) + "\n")
    own = {
        name: [one.placed for one in outcomes[name] if one.placed is not None] for name in outcomes
    }
    places = {name: places_of(placed) for name, placed in own.items() if placed}
    if places:
        everywhere = places_of([placed for row in own.values() for placed in row])
        sys.stdout.write(table_of(places, everywhere) + "\n")
    reliability = reliability_of(
        [one for row in _realistic(rows) for outcome in outcomes[row.name] for one in outcome.rated]
    )
    if reliability.all.findings:
        sys.stdout.write(reliability_text(reliability) + "\n")
    flair = _realistic(rows, "flair")
    doubts = doubts_of([outcome for row in flair for outcome in outcomes[row.name]])
    own_doubts = {row.name: doubts_of(outcomes[row.name]) for row in flair}
    if doubts.undoubted.scans or doubts.doubted.scans:
        sys.stdout.write(verdicts_of(own_doubts) + "\n" + verdict_of(doubts) + "\n")
    if refusals:
        sys.stdout.write(refusals_text(refusals) + "\n")
    if options.json is not None:
        document = json_of(rows, results, real, scans, places)
        document |= {"verdict": asdict(doubts), "reliability": asdict(reliability)}
        document["verdicts"] = {name: asdict(one) for name, one in own_doubts.items()}
        document["refusals"] = [asdict(one) for one in refusals]
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    missed = any(missed_by(row, results[row.name]) for row in rows)
    displaced = bool(places) and not everywhere.met
    wrong = (doubts.undoubted.share.value or 0) > WRONG_SHARE_MAX or not reliability.met
    wrong = wrong or any(one.verdict == "pass" for one in refusals)
    return int(missed or wrong or displaced or any(image.wrong for image in real))


def _realistic(rows: list[AnyRow], contrast: str | None = None) -> list[realistic.RealisticRow]:
    """The realistic rows, or those with a contrast."""
    return [
        row
        for row in rows
        if isinstance(row, realistic.RealisticRow) and contrast in (None, row.kind.contrast)
    ]


def scans_of(row: AnyRow) -> int:
    """The scans of a row unless the command says otherwise: realistic heads take longer."""
    return SCANS if isinstance(row, Row) else realistic.SCANS


def _all_rows() -> list[AnyRow]:
    """The rows whose anatomy is on this machine."""
    return [*ROWS, *(row for row in realistic.ROWS if anatomy.available(row.family))]


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make evaluate", description=__doc__)
    parser.add_argument(
        "--scans",
        type=int,
        default=None,
        help=f"scans per row (SCANS; {SCANS}, of realistic heads {realistic.SCANS})",
    )
    parser.add_argument(
        "--only", default="", help="rows whose names contain one of these, separated by commas"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="number of processes")
    parser.add_argument(
        "--json", type=Path, default=None, help="file to write the results to (EVALUATION)"
    )
    options = parser.parse_args(arguments)
    if (options.scans is not None and options.scans < 1) or options.jobs < 1:
        parser.error("SCANS and JOBS must be at least 1")
    return options


def _wanted(name: str, only: str) -> bool:
    parts = [part.strip().lower() for part in only.split(",") if part.strip()]
    return not parts or any(part in name.lower() for part in parts)


def _run(
    rows: list[AnyRow],
    scans: dict[str, int],
    jobs: int,
    *,
    with_real: bool,
    with_refusals: bool,
) -> tuple[dict[str, list[Outcome]], list[RealImage], list[Refusal]]:
    outcomes: dict[str, dict[int, Outcome]] = {row.name: {} for row in rows}
    context = multiprocessing.get_context("spawn")
    columns = (TextColumn("{task.description:16}"), BarColumn(), MofNCompleteColumn())
    with (
        ProcessPoolExecutor(jobs, mp_context=context) as pool,
        Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as progress,
    ):
        bars = {row.name: progress.add_task(row.name, total=scans[row.name]) for row in rows}
        futures = {
            pool.submit(evaluate_scan, row, index): (row.name, index)
            for row in rows
            for index in range(scans[row.name])
        }
        images = pool.submit(read_real_images) if with_real else None
        others = pool.submit(read_all) if with_refusals else None
        for future in as_completed(futures):
            name, index = futures[future]
            outcomes[name][index] = future.result()
            progress.advance(bars[name])
        real = images.result() if images is not None else []
        refusals = others.result() if others is not None else []
    # In order of index, so that the bootstrap is reproducible.
    ordered = {name: [own[index] for index in sorted(own)] for name, own in outcomes.items()}
    return ordered, real, refusals


if __name__ == "__main__":
    sys.exit(main())
