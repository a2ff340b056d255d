"""Read heads that serve tuning, and print what the report says about each:
``python -m tests.evaluation.tuning --kinds "flow;child" --seed 700000 --heads 2``.

No head is of an anatomy that judges, and no seed one that rows judge on.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.evaluation.measures import are_tissues_wrong, is_wrong
from tests.evaluation.reading import read
from tests.evaluation.realistic.anatomy import SHARPENED, TUNING
from tests.evaluation.realistic.head import make_head
from tests.evaluation.realistic.kinds import Kind
from tests.evaluation.realistic.rows import JUDGING_SEEDS, KINDS
from tests.evaluation.rows import EVALUATION_SEEDS
from tests.evaluation.scans import compare

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
    sys.stdout.write(_COLUMNS + "\n" + "|---" * _COLUMNS.count(" |") + "|\n")
    for plan in plans(arguments):
        sys.stdout.write(_row(plan) + "\n")
        sys.stdout.flush()
    return 0


def plans(arguments: list[str] | None = None) -> Iterator[Plan]:
    """The heads that the command asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", required=True, help="names of kinds, separated by semicolons")
    parser.add_argument("--families", default=",".join(FAMILIES), help="anatomies, by turns")
    parser.add_argument("--seed", type=int, default=700_000)
    parser.add_argument("--heads", type=int, default=1, help="of each kind (1)")
    parser.add_argument("--ghost", type=float, default=None, help="amplitude, for all kinds")
    options = parser.parse_args(arguments)
    families = [name.strip() for name in options.families.split(",")]
    names = [name.strip() for name in options.kinds.split(";")]
    if not set(families) <= set(FAMILIES):
        parser.error(f"anatomies for tuning are: {', '.join(FAMILIES)}")
    if not set(names) <= set(KINDS):
        parser.error(f"kinds are: {'; '.join(KINDS)}")
    if options.seed in JUDGING_SEEDS or options.seed in EVALUATION_SEEDS:
        parser.error(f"{options.seed} is a seed of heads that judge")
    for number, name in enumerate(names):
        kind = KINDS[name]
        if options.ghost is not None:
            kind = replace(kind, ghost=options.ghost)
        for index in range(options.heads):
            yield Plan(families[(number + index) % len(families)], options.seed, index, name, kind)


def _row(plan: Plan) -> str:
    head = make_head(plan.family, plan.seed, plan.index, plan.kind)
    reading = read(plan.kind.contrast, head.voxels, head.affine)
    name = f"{plan.name}, {plan.family}, {plan.index}"
    if reading.failed is not None:
        return f"| {name} | fail: {reading.failed} | | | | | | |"
    outcome = compare(head, reading)
    matched = outcome.matched
    wrong = ["lesions wrong"] * is_wrong(outcome) + ["tissues wrong"] * are_tissues_wrong(outcome)
    return (
        f"| {name} | {'; '.join([', '.join(reading.flags) or 'pass', *wrong])} | {matched.false} "
        f"| {sum(matched.found)} of {len(matched.found)} | "
        + " | ".join(_volume(part, head.true_ml, reading.volumes_ml) for part in _VOLUMES)
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
