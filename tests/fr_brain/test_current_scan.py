"""What a supervisor reads of the scan that a processor works on."""

import multiprocessing
import time

from common.domain.installed_analyzer import InstalledAnalyzer
from common.domain.report import AnalyzerId
from fr_brain.current_scan import CurrentScan, SharedRecord


def test_the_supervisor_reads_the_scan_the_analyzer_and_since_when() -> None:
    current_scan = CurrentScan.shared(multiprocessing.get_context("spawn"))
    assert current_scan.read() is None
    with current_scan.working_on("s" * 64, 3):
        found = current_scan.read()
        assert found is not None
        assert (found.key, found.fence, found.analyzer, found.began) == ("s" * 64, 3, "", 0.0)
        before = time.monotonic()
        with current_scan.analysing(AnalyzerId(name="ä" * 64, version="9" * 32)):
            found = current_scan.read()
            assert found is not None
            assert found.analyzer == "ä" * 64 + " " + "9" * 32
            assert before <= found.began <= time.monotonic()
        found = current_scan.read()
        assert found is not None
        assert found.began == 0.0
    assert current_scan.read() is None


def test_a_record_that_is_being_written_is_ignored() -> None:
    record = SharedRecord()
    current_scan = CurrentScan(record)
    with current_scan.working_on("a", 1):
        record.sequence += 1
        assert current_scan.read() is None


def test_a_name_that_is_torn_between_the_bytes_of_a_character_harms_nobody() -> None:
    record = SharedRecord()
    current_scan = CurrentScan(record)
    with current_scan.working_on("a", 1):
        record.analyzer = "ä".encode()[:1]
        found = current_scan.read()
        assert found is not None
        assert (found.key, found.analyzer) == ("a", "\ufffd")


def test_the_supervisor_reads_which_types_are_read() -> None:
    current_scan = CurrentScan(SharedRecord())
    assert current_scan.types() is None
    current_scan.reads(["volume", "grid"])
    assert current_scan.types() == frozenset({"grid", "volume"})
    many = CurrentScan(SharedRecord())
    many.reads(f"type-{n:026}" for n in range(1000))
    assert many.types() is None


def test_only_the_exit_code_that_a_processor_has_chosen_is_its_own() -> None:
    current_scan = CurrentScan(SharedRecord())
    assert not any(map(current_scan.chose, range(256)))
    current_scan.ends_with(0)
    assert current_scan.chose(0)
    current_scan.ends_with(4)
    assert list(filter(current_scan.chose, range(-16, 256))) == [4]


def test_the_supervisor_reads_which_analyzers_there_are() -> None:
    current_scan = CurrentScan.shared(multiprocessing.get_context("spawn"))
    assert current_scan.analyzers() == ()
    known = InstalledAnalyzer("ä", "5", ("flair", "t1"))
    current_scan.has([known])
    assert current_scan.analyzers() == (known,)
    current_scan.has([InstalledAnalyzer("b", "1", ("x" * 9000,))])  # too long to be told
    assert current_scan.analyzers() == (known,)
