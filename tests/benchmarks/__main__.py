"""``make bench``: measure this project, its peers and the machine's limits in one run.

Exit code 1: something was better than a limit of the machine, so the benchmark has a mistake.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.benchmarks import machine
from tests.benchmarks.analysis import Analysis
from tests.benchmarks.api import Api
from tests.benchmarks.ecgs import Ecgs
from tests.benchmarks.figures import Missing, Part, Results
from tests.benchmarks.growth import Growth
from tests.benchmarks.idle import Idle
from tests.benchmarks.large import Large
from tests.benchmarks.latency import LatencyPart
from tests.benchmarks.memory import Memory
from tests.benchmarks.pictures import draw
from tests.benchmarks.scaling import Scaling
from tests.benchmarks.servers import mongod
from tests.benchmarks.small import Small
from tests.benchmarks.tables import show
from tests.benchmarks.units import Bench

PARTS: tuple[Callable[[Bench], Part], ...] = (
    Small,
    LatencyPart,
    Large,
    Analysis,
    Idle,
    Growth,
    Memory,
    Scaling,
    Api,
    Ecgs,
)


def run(part: Part, console: Console) -> Results:
    """Run all rounds of one part."""
    results = Results(part.name, part.title, part.goals)
    steal = machine.Steal()
    subjects = part.subjects()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(part.title, total=part.rounds * len(subjects))
        for number in range(1, part.rounds + 1):
            for name, measure in subjects.items():
                progress.update(task, description=f"{part.name} {number}/{part.rounds}: {name}")
                if name not in results.missing:
                    try:
                        results.add(name, measure())
                    except Missing as missing:
                        results.missing[name] = str(missing)
                progress.advance(task)
    results.steal = steal.share()
    results.samples = part.samples
    part.close()
    return results


def main() -> int:
    """Run the parts named by ONLY, or all of them."""
    only = [name for name in os.environ.get("ONLY", "").split(",") if name]
    quick = os.environ.get("QUICK", "") not in ("", "0")
    out = Path(os.environ.get("BENCH") or ".data/bench/bench.json")
    console = Console()
    whole: dict[str, Any] = {"machine": machine.describe(), "parts": {}}
    impossible: list[str] = []
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fr-bench-") as name, mongod(Path(name)) as running:
        bench = Bench(running.uri, Path(name), quick)
        parts = [make(bench) for make in PARTS]
        unknown = set(only) - {part.name for part in parts}
        if unknown:
            known = ", ".join(part.name for part in parts)
            console.print(f"ONLY={','.join(sorted(unknown))}: unknown part; the parts are {known}")
            return 2
        for part in parts:
            if not only or part.name in only:
                results = run(part, console)
                show(results, console)
                impossible += results.impossible()
                whole["parts"][part.name] = results.as_json()
                # Write after each part, because a run takes half an hour and may be interrupted.
                out.write_text(json.dumps(whole, indent=2) + "\n")
    pictures = draw(whole, out.parent)
    console.print(f"all values: {out}", *(f"plot: {path}" for path in pictures), sep="\n")
    for what in impossible:
        console.print(f"[red]{what}: better than the limit, so the benchmark has a mistake")
    return int(bool(impossible))


if __name__ == "__main__":
    sys.exit(main())
