"""DICOM waveform objects: pydicom's own example, sample for sample, and spoilt ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.waveforms.numpy_handler import multiplex_array

from common.errors import SourceError
from common.formats.ecg.dicom_waveform import open_dicom
from common.formats.not_a_scan import NotAScan
from common.scan_files.files import FileSource
from tests.common.formats.ecg.test_wfdb import samples_of

EXAMPLE = str(get_testdata_file("waveform_ecg.dcm"))


def changed(folder: Path, change: Callable[[Dataset, Dataset], Any]) -> Path:
    dataset = dcmread(EXAMPLE)
    change(dataset, dataset.WaveformSequence[0])
    path = folder / "x.dcm"
    dataset.save_as(path)
    return path


def test_the_samples_are_those_that_pydicom_reads() -> None:
    opened = open_dicom(Path(EXAMPLE))
    recording = opened.recording
    assert recording.leads == (
        *("I", "II", "III", "aVR", "aVL", "aVF"),
        *("V1", "V2", "V3", "V4", "V5", "V6"),
    )
    assert (recording.samples, recording.sampling_rate_hz) == (10_000, 1000)
    assert recording.filters == ("highpass_0_05_hz", "lowpass_300_hz")
    theirs = multiplex_array(dcmread(EXAMPLE), 0, as_raw=False) / 1000  # its units are µV
    np.testing.assert_allclose(samples_of(opened), theirs, atol=1e-6)


def test_a_folder_sends_it(tmp_path: Path) -> None:
    (tmp_path / "IM0").write_bytes(Path(EXAMPLE).read_bytes())
    [task] = FileSource(tmp_path, pacs="pacs-1")
    scan = task.load().scan
    assert (scan.scan_type, scan.shape, scan.modality) == ("ecg", (10_000, 12), "ECG")
    assert scan.subject is not None


def test_a_padded_sample_is_a_missing_one(tmp_path: Path) -> None:
    def pad(_: Dataset, group: Dataset) -> None:
        group.add_new("WaveformPaddingValue", "OW", np.int16(-32768).tobytes())
        data = np.frombuffer(group.WaveformData, "<i2").copy()
        data[5] = -32768
        group.WaveformData = data.tobytes()

    found = samples_of(open_dicom(changed(tmp_path, pad)))
    assert np.argwhere(np.isnan(found)).tolist() == [[0, 5]]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda _, group: setattr(group, "NumberOfWaveformSamples", 10_001), "cut off"),
        (lambda _, group: setattr(group, "WaveformData", b"\0\0"), "cut off"),
        (lambda _, group: setattr(group, "NumberOfWaveformChannels", 0), "cut off"),
        (lambda _, group: setattr(group, "WaveformSampleInterpretation", "MB"), "of the kind 'MB'"),
        (lambda _, group: setattr(group, "WaveformBitsAllocated", 8), "not have the size"),
        (lambda _, group: group.ChannelDefinitionSequence.pop(), "not have as many"),
        (
            lambda _, group: delattr(group.ChannelDefinitionSequence[3], "ChannelSensitivity"),
            "become millivolts",
        ),
    ],
)
def test_a_waveform_that_contradicts_itself_is_refused(
    tmp_path: Path, change: Callable[[Dataset, Dataset], Any], reason: str
) -> None:
    with pytest.raises(SourceError, match=reason):
        open_dicom(changed(tmp_path, change))


def test_other_waveforms_are_none(tmp_path: Path) -> None:
    def audio(dataset: Dataset, _: Dataset) -> None:
        dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.9.4.1"

    with pytest.raises(NotAScan, match="a waveform"):
        open_dicom(changed(tmp_path, audio))
