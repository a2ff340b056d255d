"""Read heads that serve tuning, and print what the report says about each, then a summary:
``python -m tests.evaluation.tuning --kinds "flow;child" --seed 700000 --heads 2``.

No head is of an anatomy that judges, and no seed one that rows judge on.
"""

import argparse
import multiprocessing
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

from tests.evaluation.measures import Outcome, are_tissues_wrong, doubts_of, is_wrong
from tests.evaluation.reading import read
from tests.evaluation.realistic.anatomy import SHARPENED, TUNING
from tests.evaluation.realistic.head import make_head
from tests.evaluation.realistic.kinds import Kind
from tests.evaluation.realistic.rows import JUDGING_SEEDS, KINDS
from tests.evaluation.rows import EVALUATION_SEEDS
from tests.evaluation.scans import compare
from tests.evaluation.table import verdicts_of

FAMILIES = (*TUNING, *SHARPENED)
_COLUMNS = "| head | verdict and flags | false | found | lesions | grey | white | intracranial |"
_VOLUMES = ("lesion", "grey", "white", "intracranial")


@dataclass(frozen=True, slots=True)
class Plan:
    """Heads to make."""

    family: str
    seed: int
    index: int
    name: str
    kind: Kind


def main(arguments: list[str] | None = None) -> int:
    """Make the heads, read them, print a row each."""
    options = options_of(arguments)
    sys.stdout.write(_COLUMNS + "\n" + "|---" * _COLUMNS.count(" |") + "|\n")
    outcomes: dict[str, list[Outcome]] = {}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, mp_context=context) as pool:
        for plan, outcome in zip(plans(options), pool.map(outcome_of, plans(options)), strict=True):
            outcomes.setdefault(plan.name, []).append(outcome)
            sys.stdout.write(_row(plan, outcome) + "\n")
            sys.stdout.flush()
    doubts = {name: doubts_of(own) for name, own in outcomes.items()}
    everything = doubts_of([outcome for own in outcomes.values() for outcome in own])
    sys.stdout.write(verdicts_of(doubts | {"all": everything}))
    return 0


def plans(options: argparse.Namespace) -> Iterator[Plan]:
    """The heads that the command asks for."""
    for number, name in enumerate(options.kinds):
        kind = KINDS[name]
        if options.ghost is not None:
            kind = replace(kind, ghost=options.ghost)
        for index in range(options.heads):
            family = options.families[(number + index) % len(options.families)]
            yield Plan(family, options.seed, index, name, kind)


def outcome_of(plan: Plan) -> Outcome:
    """Make a head, read it, and compare the analysis with the truth."""
    head = make_head(plan.family, plan.seed, plan.index, plan.kind)
    return compare(head, read(plan.kind.contrast, head.voxels, head.affine))


def options_of(arguments: list[str] | None) -> argparse.Namespace:
    """The options of the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", required=True, help="names of kinds, separated by semicolons")
    parser.add_argument("--families", default=",".join(FAMILIES), help="anatomies, by turns")
    parser.add_argument("--seed", type=int, default=700_000)
    parser.add_argument("--heads", type=int, default=1, help="of each kind (1)")
    parser.add_argument("--ghost", type=float, default=None, help="amplitude, for all kinds")
    parser.add_argument("--jobs", type=int, default=1, help="number of processes (1)")
    options = parser.parse_args(arguments)
    options.families = [name.strip() for name in options.families.split(",")]
    options.kinds = [name.strip() for name in options.kinds.split(";")]
    if not set(options.families) <= set(FAMILIES):
        parser.error(f"anatomies for tuning are: {', '.join(FAMILIES)}")
    if not set(options.kinds) <= set(KINDS):
        parser.error(f"kinds are: {'; '.join(KINDS)}")
    if options.seed in JUDGING_SEEDS or options.seed in EVALUATION_SEEDS:
        parser.error(f"{options.seed} is a seed of heads that judge")
    return options


def _row(plan: Plan, outcome: Outcome) -> str:
    name = f"{plan.name}, {plan.family}, {plan.index}"
    if outcome.failed is not None:
        return f"| {name} | fail: {outcome.failed} | | | | | | |"
    matched = outcome.matched
    wrong = ["lesions wrong"] * is_wrong(outcome) + ["tissues wrong"] * are_tissues_wrong(outcome)
    return (
        f"| {name} | {'; '.join([', '.join(outcome.flags) or 'pass', *wrong])} | {matched.false} "
        f"| {sum(matched.found)} of {len(matched.found)} | "
        + " | ".join(_volume(part, outcome.true_ml, outcome.found_ml) for part in _VOLUMES)
        + " |"
    )


def _volume(name: str, true: dict[str, float], found: dict[str, float]) -> str:
    if name not in found:
        return "-"
    if true[name] <= 0:
        return f"{found[name]:.1f} ml for none"
    return f"{found[name] / true[name] - 1:+.0%} of {true[name]:.1f} ml"


if __name__ == "__main__":
    sys.exit(main())
