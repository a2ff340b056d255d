"""Headers of WFDB records, as real databases have them."""

from datetime import datetime

import pytest

from common.errors import SourceError
from common.formats.ecg.wfdb_header import DEFAULT_GAIN, parse_header


def test_a_header_with_comments_blank_lines_and_a_name_of_several_words() -> None:
    record = parse_header(
        "# made by hand\r\n1003 2 360 216000\r\n\r\n1003.dat 16 249(-55)/mV 12 0 -8 -8177 0 ECG "
        "lead II\r\n1003.dat 16+24 12.08(-1307)/mmHg 12 7 -405 -22 0 ART\r\n#info\r\n"
    )
    first, second = record.signals
    assert (record.rate_hz, record.samples, record.start) == (360, 216000, None)
    assert (first.gain, first.baseline, first.units) == (249, -55, "mV")
    assert (first.name, first.initial, first.checksum) == ("ECG lead II", -8, -8177)
    assert (second.offset, second.units, second.baseline) == (24, "mmHg", -1307)


def test_what_is_left_out_has_its_default() -> None:
    record = parse_header("r 1\nr.dat 212")
    [signal] = record.signals
    assert (record.rate_hz, record.samples) == (250, None)
    assert (signal.gain, signal.baseline, signal.units) == (DEFAULT_GAIN, 0, "mV")
    assert not signal.calibrated
    assert not parse_header("r 1 250\nr.dat 16 0 11 1024").signals[0].calibrated
    assert parse_header("r 1 250\nr.dat 16 0 11 1024").signals[0].baseline == 1024


def test_samples_per_frame_skew_and_counter_frequency() -> None:
    record = parse_header("r 2 125/500(0) 10 17:27:45 15/08/1994\nr.dat 212x4:3+6\nr.dat 212")
    assert (record.signals[0].per_frame, record.signals[0].skew) == (4, 3)
    assert record.signals[0].offset == 6
    assert record.rate_hz == 125
    assert record.start == datetime.fromisoformat("1994-08-15T17:27:45")


@pytest.mark.parametrize("when", ["15:08:24", "25:99:00 01/01/2000", "12:00:00 31/02/2000", "x y"])
def test_a_time_without_a_date_is_no_start(when: str) -> None:
    assert parse_header(f"r 0 250 0 {when}").start is None


@pytest.mark.parametrize(
    "when", ["09:49:17 05/05/2020", "05-May-2020 09:49:17", "2020-05-05 09:49:17"]
)
def test_the_date_may_come_first_as_in_the_challenges(when: str) -> None:
    record = parse_header(f"E07835 1 500 5000 {when}\nE07835.mat 16+24 1000/mV 16 0 -268 14726 0 I")
    assert record.start == datetime.fromisoformat("2020-05-05T09:49:17")


@pytest.mark.parametrize(
    "when", ["2006", "", "10:30:00 2006", "05-May-2020", "99:49:17 05/05/2020"]
)
def test_a_start_that_is_none_does_not_refuse_the_record(when: str) -> None:
    record = parse_header(f"S0287ECG 1 500 5000 {when}\nS0287ECG.dat 16 1000/mV")
    assert (record.start, record.samples) == (None, 5000)


def test_a_record_may_name_the_folder_that_it_was_written_from() -> None:
    record = parse_header(
        "ge_median_beats_wfdb/00001_medians 1 500 600\nge_median_beats_wfdb/00001_medians.dat 32 "
        "6344117.125(-1842966025)/mV 32 0 -1995224836 10742 0 I"
    )
    assert record.segments is None
    assert record.signals[0].file == "00001_medians.dat"
    record = parse_header("a/b/m/2 1 250 30\nm_1 20\nm_2 10")
    assert record.segments is not None
    assert len(record.segments) == 2


def test_segments_and_gaps() -> None:
    record = parse_header("m/3 2 250 30\nm_layout 0\nm_1 20\n~ 10")
    assert record.segments is not None
    assert [(one.name, one.samples) for one in record.segments] == [
        ("m_layout", 0),
        ("m_1", 20),
        ("~", 10),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment",
        "r",
        "r x",
        "r 2 250 10\nr.dat 16",
        "r 1 0 10\nr.dat 16",
        "r 1 nan 10\nr.dat 16",
        "r 1 -250\nr.dat 16",
        "r 1 250 1e99\nr.dat 16",
        "r 1 250 10\nr.dat",
        "r 1 250 10\nr.dat sixteen",
        "r 1 250 10\nr.dat 16 inf/mV",
        "r 1 250 10\nr.dat 16 1-1/mV",
        "../r 1 250 10\nr.dat 16",
        "m/2 1 250 10\nm_1 10",
        "m/1 1 250 10\n../m_1 10",
        "m/99999999 1 250 10\nm_1 10",
    ],
    ids=repr,
)
def test_what_is_no_header_is_refused(text: str) -> None:
    with pytest.raises(SourceError):
        parse_header(text)
