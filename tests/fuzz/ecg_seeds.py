"""The corpus of the ECG formats, written by the writers of the tests."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.data import get_testdata_file

from tests.common.formats.ecg.edf_files import signal, write_edf
from tests.common.formats.ecg.scp_files import differences, packed, write_scp
from tests.common.formats.ecg.test_aecg import lead, written
from tests.common.formats.ecg.wfdb_files import write_record
from tests.fuzz.ecgs import NAMES, SEPARATOR

VALUES = np.array([[0, 100], [200, -100], [-50, 7], [3, 4], [5, 6], [7, 8]])


def ecg_seeds() -> Iterator[tuple[str, bytes]]:
    """A recording of each format, and of the ways of writing it that differ most."""
    with tempfile.TemporaryDirectory() as name:
        for label, path in _written(Path(name)):
            place = next(n for n, one in enumerate(NAMES) if path.name.endswith(one[1:]))
            content = path.read_bytes()
            if path.suffix == ".hea":
                samples = path.with_suffix(".dat")
                content += SEPARATOR + (samples.read_bytes() if samples.exists() else b"")
            yield label, bytes([place]) + content


def _written(folder: Path) -> Iterator[tuple[str, Path]]:
    for form in (8, 16, 24, 212, 310, 311):
        yield f"wfdb-{form}", write_record(folder, "r", VALUES, form)
    lines = ("200/mV 12 0 0 0 0 I", "200/mV 12 0 0 0 0 II")
    yield "wfdb-skewed", _replaced(write_record(folder, "r", VALUES, lines=lines), "16 ", "16:2 ")
    (folder / "r.hea").write_text("r/3 2 250 18\nr_layout 0\n~ 6\nr_1 12\n")
    yield "wfdb-segments", folder / "r.hea"
    two = [signal("EKG I", [[0, 1000], [-1000, 5]]), signal("ECG V1", [[1, 2], [3, 4]])]
    yield "edf", write_edf(folder / "a.edf", two)
    yield "bdf", write_edf(folder / "b.edf", two, 3)
    notes = np.frombuffer(b"+0\x14\x14\0\0\0\0+5\x14\x14\0\0\0\0", "<i2").reshape(2, 4)
    gaps = [*two, signal("EDF Annotations", notes)]
    yield "edf-gaps", write_edf(folder / "c.edf", gaps, reserved="EDF+D")
    yield "scp", write_scp(folder / "a.scp", VALUES)
    yield "scp-differences", write_scp(folder / "b.scp", VALUES, order=2)
    assert packed(differences(VALUES[:, 0], 1).tolist())
    (folder / "a.ecg.json").write_text(
        '{"leads": [{"name": "I", "number_of_samples": 3, "signal": [1, null, -1.5]}], '
        '"sampling_rate_hz": 500, "units": "uV", "start": "2024-05-17T12:30:00+02:00"}'
    )
    yield "json", folder / "a.ecg.json"
    (folder / "a.ecg.csv").write_text("# units=uV\ntime_ms,I,II\n0,1,1\n2,-1,2\n4,1,\n6,-1,1\n")
    yield "csv", folder / "a.ecg.csv"
    yield "aecg", written(folder, lead("I"), lead("II", digits="4 5 6"))
    yield "dicom", _dicom(folder / "a.dcm")


def _replaced(path: Path, old: str, new: str) -> Path:
    path.write_text(path.read_text().replace(old, new))
    return path


def _dicom(path: Path) -> Path:
    """pydicom's sample, with few samples and without its notes."""
    data = dcmread(str(get_testdata_file("waveform_ecg.dcm", download=False)))
    del data.WaveformSequence[1:]
    [group] = data.WaveformSequence
    group.NumberOfWaveformSamples = 4
    group.WaveformData = group.WaveformData[: 4 * 2 * int(group.NumberOfWaveformChannels)]
    for name in ("WaveformAnnotationSequence", "AcquisitionContextSequence"):
        data.pop(name, None)
    data.save_as(path)
    return path
