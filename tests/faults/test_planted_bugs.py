"""The checker finds what it is there for: bugs planted into the real units, found in a real run."""

import random
from pathlib import Path

import pytest

from tests.faults import families  # noqa: F401 - adds the faults
from tests.faults import histories, undeliverable, uploads
from tests.faults.bugs import BUGS
from tests.faults.checker import Kind, Violation
from tests.faults.loads import Load
from tests.faults.nemesis import Recoveries, Scene
from tests.faults.places import build
from tests.faults.power import powered
from tests.faults.power_disk import missing
from tests.faults.report import Row
from tests.faults.schedule import CATALOGUE
from tests.faults.world import RECOVERS_S, World

ARRIVES_S = 5.0
"""What a bug has lost does not come however long one waits; the rest has mostly come by then."""

UPLOADED_S = 30.0
"""As ``ARRIVES_S``, for uploads, of which some are under way at an API that is killed."""

LOADS = (Load("grid", "10", 10), Load("grid", "10", 10))

# What a server has in its memory alone is what came in the last tenth of a second.
AT_HIGH_LOAD = {"w-1"}

# Each report that Fr-BRAIN writes takes the journal with it, and what Fr-HUB left behind in it: a
# kill would seldom find anything to lose.
WITHOUT_BRAINS = {"w-1"}

# A kill finds something to lose only if it comes between a write and the next sync.
TRIES = {"w-1": 3}

# The fault that brings the bug out, and what the checker says of it.
CAUGHT: dict[str, tuple[str, set[Kind]]] = {
    "ack-on-duplicate": ("writes-rolled-back", {Kind.LOST, Kind.FALSE_ACK}),
    "no-fence": ("stop-both-brains", {Kind.STALE}),
    "w-1": ("mongodb-killed", {Kind.LOST}),
    "ack-before-persisting": ("mongodb-stopped", {Kind.FALSE_ACK}),
    "marked-before-ack": ("at-pacs.received", {Kind.REPORT_LOST}),
    "other-voxels": ("at-brain.claimed", {Kind.CONTENT}),
    "other-report": ("at-hub.leased", {Kind.CONTENT}),
    "no-trail": ("trail-refused", {Kind.UNRECORDED}),
    "ack-before-storing": ("at-web.recorded", {Kind.LOST}),
    "resumes-at-the-end": ("web-killed", {Kind.UNEXPECTED}),
    "no-second-look": ("histories", {Kind.UNEXPECTED}),
    "never-given-up": ("undeliverable", {Kind.UNEXPECTED}),
}


def suffer(
    world: World, name: str, *, brains: bool = True, arrives_s: float = RECOVERS_S
) -> list[Violation]:
    """Inject this fault; what the checker finds."""
    fault = CATALOGUE.faults[name]
    row = Row(name, fault.place, fault.what)
    world.start()
    if not brains:
        world.cluster.stop(*world.cluster.of("fr_brain"))
    fault.act(Scene(world, random.Random(7), row, Recoveries(world), 1, lambda _: None))
    assert row.injected, row.violations
    world.drain(arrives_s)
    found, _ = world.account()
    return [*row.violations, *found]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a bug has lost does not come: waiting for it is no use."""
    monkeypatch.setattr(uploads, "ENDS_S", UPLOADED_S)
    monkeypatch.setattr(undeliverable, "GIVEN_UP_S", ARRIVES_S)
    monkeypatch.setattr(histories, "FIRES_S", ARRIVES_S)
    monkeypatch.setattr(histories, "DONE_S", UPLOADED_S)


@pytest.mark.long
@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_caught(bug: str, tmp_path: Path) -> None:
    name, kinds = CAUGHT[bug]
    loads = tuple(load.times(10 if bug in AT_HIGH_LOAD else 1) for load in LOADS)
    for attempt in range(TRIES.get(bug, 1)):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        with build(CATALOGUE.faults[name].place, folder, bug=bug, loads=loads) as world:
            found = suffer(world, name, brains=bug not in WITHOUT_BRAINS, arrives_s=ARRIVES_S)
        if kinds & {violation.kind for violation in found}:
            return
    pytest.fail(f"not caught: {found[:10]}")


@pytest.mark.skipif(bool(missing()), reason=missing())
@pytest.mark.long
@pytest.mark.parametrize("cause", ["w-1", "a disk that ignores syncs"])
def test_writes_that_were_not_synced_are_missed_after_a_power_loss(
    cause: str, tmp_path: Path
) -> None:
    """By the bug in Fr-HUB, or by a mongod that cannot sync its journal."""
    bug = cause if cause in BUGS else ""
    loads = tuple(load.times(10) for load in LOADS)
    with (
        powered(tmp_path, lies=not bug) as mongod,
        World(tmp_path / "world", mongod, loads, bug=bug) as world,
    ):
        mongod.start()
        found = suffer(world, "power-lost", brains=False, arrives_s=ARRIVES_S)
    assert Kind.LOST in {violation.kind for violation in found}, found[:10]


@pytest.mark.long
def test_without_a_bug_nothing_is_found(tmp_path: Path) -> None:
    name = "at-pacs.received"
    with build(CATALOGUE.faults[name].place, tmp_path, loads=LOADS) as world:
        assert suffer(world, name) == []
