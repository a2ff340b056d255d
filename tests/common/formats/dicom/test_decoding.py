"""What pydicom's decoders cannot decode fails its own series."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import RLELossless

from common.formats.dicom import decoding
from tests.common.formats.dicom.dicom_files import DATA, Write, reason

# pydicom warns of padding and wrong VRs in its odd test files; in use a filter of the module
# silences that, which pytest's own filters overrule here.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def test_pixels_that_cannot_be_decoded_say_what_they_are(write: Write) -> None:
    path = write(1)
    data = pydicom.dcmread(path)
    data.PixelData = pydicom.encaps.encapsulate([b"nonsense"])
    data["PixelData"].is_undefined_length = True
    data.file_meta.TransferSyntaxUID = RLELossless
    data.save_as(path)
    told = reason(path)
    assert "pixel data of 001.dcm is truncated or cannot be decoded (RLE Lossless" in told


def test_a_decoder_that_panics_fails_its_series_alone(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Panic(BaseException): ...  # as pyo3 makes of a panic in Rust

    def panicking(*_: Any, **__: Any) -> Any:
        raise Panic("index out of bounds")

    # Native pixels whose header leaves nothing open need no decoder.
    monkeypatch.setattr(decoding, "get_decoder", panicking)
    unclear = write(1, BitsStored=None)
    assert "cannot be decoded (Explicit VR Little Endian, Panic)" in reason(unclear)


def test_a_damaged_jpeg_ls_stream_does_not_end_the_process(tmp_path: Path) -> None:
    data = bytearray((DATA / "MR_small_jpeg_ls_lossless.dcm").read_bytes())
    data[data.index(b"\xff\xf7") + 4] = 99  # bits per sample: GDCM would abort
    path = tmp_path / "damaged.dcm"
    path.write_bytes(data)
    code = f"from {reason.__module__} import Path, reason; print(reason(Path({str(path)!r})))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "cannot be decoded (JPEG-LS Lossless" in done.stdout
