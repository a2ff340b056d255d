"""Which scans ``fr reanalyze`` schedules: by ANALYZER, by ID, and what it reports of the others."""

import subprocess
import sys

import pytest

from common.domain.audit_events import Kind
from common.errors import SettingsError
from common.store.collections import Collection
from common.store.db_manager import DBManager
from fr_brain.analyzers.registry import Registry, load_analyzers
from fr_brain.commands.reanalyze import reanalyze
from tests.factories import inside, make_reports, state_of
from tests.processes import ROOT, environment
from tests.recorders import Recording


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_analyzers()


def reported(
    store: DBManager, count: int, scan_type: str, *, version: str | None = None
) -> set[str]:
    """The ids of scans with a report, of the installed analyzer or of another version."""
    ids = {report.key for report in make_reports(store, count, scan_type=scan_type)}
    made_by = load_analyzers().by_type[scan_type]
    analyzer = {"name": made_by.name, "version": version or made_by.version}
    inside(store, Collection.REPORTS).update_many(
        {"_id": {"$in": list(ids)}}, {"$set": {"report.analyzer": analyzer}}
    )
    return ids


def scheduled(store: DBManager, ids: set[str]) -> set[str]:
    """Those of these scans that wait for analysis."""
    return {scan_id for scan_id in ids if state_of(store, scan_id) == "To Do"}


def test_only_scans_that_another_version_read_are_scheduled(
    store: DBManager, registry: Registry
) -> None:
    old, new = reported(store, 2, "grid", version="0"), reported(store, 1, "grid")
    outcome = reanalyze(store, registry)
    assert (outcome.scheduled, outcome.current) == (2, 1)
    assert scheduled(store, old | new) == old


def test_analyzer_takes_only_what_that_one_reads_now(store: DBManager, registry: Registry) -> None:
    grids = reported(store, 2, "grid", version="0")
    volumes = reported(store, 1, "volume", version="0")
    recorder = Recording()
    outcome = reanalyze(store.recorded_by(recorder), registry, analyzer="grid")
    assert outcome.scheduled == 2
    assert set(recorder.ids(Kind.SCHEDULE_REANALYSIS)) == scheduled(store, grids | volumes) == grids


def test_an_analyzer_that_is_not_in_use_is_refused_with_the_names_of_those_that_are(
    store: DBManager, registry: Registry
) -> None:
    old = reported(store, 1, "grid", version="0")
    with pytest.raises(
        SettingsError, match=r"ANALYZER='gird': no such analyzer is in use; those in use: .*grid"
    ):
        reanalyze(store, registry, analyzer="gird")
    assert not scheduled(store, old)


def test_requested_ids_are_scheduled_whichever_analyzer_read_them(
    store: DBManager, registry: Registry
) -> None:
    current, old = reported(store, 1, "grid"), reported(store, 1, "grid", version="0")
    outcome = reanalyze(store, registry, ids=[*current, "nobody"])
    assert (outcome.scheduled, outcome.unknown) == (1, ("nobody",))
    assert scheduled(store, current | old) == current
    assert reanalyze(store, registry, ids=list(current)).busy == 1


def test_a_scan_without_voxels_is_named_and_stays_done(
    store: DBManager, registry: Registry
) -> None:
    [gone] = reported(store, 1, "grid", version="0")
    inside(store).update_one({"_id": gone}, {"$unset": {"voxels": 1}})
    assert reanalyze(store, registry).without_voxels == (gone,)
    assert state_of(store, gone) == "Done"


def test_the_command_reports_what_it_could_not_schedule(store: DBManager) -> None:
    [known] = reported(store, 1, "grid")
    done = command(store, ID=f"{known},nobody")
    assert done.returncode == 1
    assert "1 scheduled for reanalysis" in done.stdout
    assert "1 unknown: the store has no report of this id" in done.stdout
    assert "nobody" in done.stdout
    assert command(store, ANALYZER="gird").returncode == 2


def command(store: DBManager, **given: str) -> subprocess.CompletedProcess[str]:
    settings = {
        "MONGODB_URI": store.connection.uri,
        "MONGODB_DATABASE": store.connection.name,
        **given,
    }
    return subprocess.run(
        [sys.executable, "-m", "fr_brain.commands.reanalyze"],
        cwd=ROOT,
        env=environment(**settings),
        capture_output=True,
        text=True,
        check=False,
    )
