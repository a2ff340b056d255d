"""All three units: a report with its picture reaches Fr-PACS; analysed again, so does the next."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from common.commands.verify import verify
from common.domain.report_index import NAME as INDEX
from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.factories import inside
from tests.processes import ROOT, environment
from tests.running import until
from tests.test_end_to_end import Pipeline, pipeline, run

__all__ = ["pipeline"]


def command(pipeline: Pipeline, module: str, **given: str) -> subprocess.CompletedProcess[str]:
    store = {
        "MONGODB_URI": pipeline.store.connection.uri,
        "MONGODB_DATABASE": pipeline.store.connection.name,
    }
    return subprocess.run(
        [sys.executable, "-m", module],
        cwd=ROOT,
        env=environment(**store, **given),
        capture_output=True,
        text=True,
        check=False,
    )


def older_version(store: DBManager) -> None:
    """As if the reports had been made by an analyzer that is no longer installed."""
    inside(store, Collection.REPORTS).update_many({}, {"$set": {"report.analyzer.version": "0"}})


@pytest.mark.long
def test_reports_and_pictures_go_all_the_way_and_again_after_a_reanalysis(
    pipeline: Pipeline,
    tmp_path: Path,
) -> None:
    kept = tmp_path / "reports"
    done = run(pipeline, REPORTS=str(kept), BRAIN_PICTURES="1", SHAPE="64", SCANS="3")
    assert done == 0, pipeline.log("fr_pacs")
    until(pipeline.drained)
    ids = sorted(pipeline.events("reported"))
    names = sorted(f"{one}.{end}" for one in ids for end in ("json", "png", "txt"))
    assert sorted(path.name for path in kept.iterdir()) == sorted([*names, INDEX])
    first = {one: (kept / f"{one}.json").read_text() for one in ids}
    assert all(1000 < (kept / f"{one}.png").stat().st_size <= 300_000 for one in ids)

    assert "0 scheduled for reanalysis" in command(pipeline, "fr_brain.commands.reanalyze").stdout
    older_version(pipeline.store)
    again = command(pipeline, "fr_brain.commands.reanalyze")
    assert (again.returncode, "3 scheduled for reanalysis" in again.stdout) == (0, True), again
    pipeline.settings.pop("SCANS")
    pipeline.settings["RATE"] = "0.001"  # it only listens
    pipeline.start("fr_pacs")
    until(lambda: verify(pipeline.store).revised == 3 and pipeline.drained(), 60)

    for one in ids:
        now = json.loads((kept / f"{one}.json").read_text())
        before = json.loads(first[one])
        assert (before["revision"], now["revision"]) == (1, 2)
        assert before["report_id"] != now["report_id"]
        assert before["findings"] == now["findings"]
        assert "(revision 2)" in (kept / f"{one}.txt").read_text()
        assert (kept / f"{one}.png").stat().st_size > 1000
    verdict = verify(pipeline.store, pipeline.ledger)
    assert verdict.gaps == 0, verdict

    out = tmp_path / "out"
    made = command(pipeline, "fr_brain.commands.report", ID=ids[0], OUT=str(out))
    assert made.returncode == 0, made.stderr
    assert sorted(path.name for path in out.iterdir()) == [n for n in names if n.startswith(ids[0])]
    assert json.loads((out / f"{ids[0]}.json").read_text())["revision"] == 2
    assert (out / f"{ids[0]}.png").read_bytes() == (kept / f"{ids[0]}.png").read_bytes()
    assert (out / f"{ids[0]}.txt").read_text() in made.stdout
