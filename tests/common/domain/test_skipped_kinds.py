from common.domain.skipped_kinds import SKIPPED_KINDS, counted, named, place, plural, singular


def test_counts_read_well() -> None:
    assert counted("structured_report", 1) == "1 structured report"
    assert counted("sidecar", 1200) == "1,200 sidecars"
    assert plural("text") == "text files"
    assert singular("text") == "text file"


def test_one_file_has_its_article() -> None:
    assert named("ultrasound") == "an ultrasound image"
    assert named("empty") == "an empty file"
    assert named("waveform") == "a waveform"


def test_a_kind_of_another_release_is_shown_by_its_code() -> None:
    assert counted("new_kind", 2) == "2 new kind"
    assert place("new_kind") > max(map(place, SKIPPED_KINDS))
