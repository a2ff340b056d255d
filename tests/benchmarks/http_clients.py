"""Clients that send files over HTTP."""

import io
import threading
import time
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import nibabel as nib
import numpy as np
import numpy.typing as npt

from tests.benchmarks.figures import Figures
from tests.benchmarks.machine import now

CLIENTS = 8
SMALL = (24, 20, 16)
_POLL_S = 0.02
_WAITS_S = 60.0
_EYE = np.eye(4)


def small_files(count: int, seed: int) -> list[bytes]:
    """NIfTI files of random int16 voxels, each another one."""
    draw = np.random.Generator(np.random.PCG64(seed))
    return [nifti(draw.integers(0, 1000, SMALL, dtype="<i2")) for _ in range(count)]


def nifti(voxels: npt.NDArray[np.int16]) -> bytes:
    """Voxels as a NIfTI file."""
    image = nib.Nifti1Image(voxels, _EYE)  # type: ignore[no-untyped-call]
    file = io.BytesIO()
    image.to_file_map({"image": nib.FileHolder(fileobj=file)})  # type: ignore[no-untyped-call]
    return file.getvalue()


def form_to(path: str) -> Callable[[httpx2.Client, bytes], httpx2.Response]:
    """Sends a NIfTI file to a path, as a form."""
    return lambda client, data: client.post(path, files={"file": ("a.nii", data)})


def to_reports(
    files: Sequence[bytes],
    clients: Sequence[httpx2.Client],
    post: Callable[[httpx2.Client, bytes], httpx2.Response],
    key_of: Callable[[httpx2.Response], str],
    report_path: str,
) -> Figures:
    """Upload small files with several clients at a time, and wait until each has its report.

    Args:
        files: to upload.
        clients: each uploads its share, one file after the other.
        post: sends one of them.
        key_of: the key of a scan, from the answer.
        report_path: of a report, with ``{key}``.
    """
    acknowledged: list[float] = []
    lock = threading.Lock()
    began = now()

    def run(number: int) -> None:
        client, keys = clients[number], []
        for data in files[number :: len(clients)]:
            sent = now()
            answer = post(client, data)
            assert answer.status_code == 201, answer.text
            keys.append(key_of(answer))
            with lock:
                acknowledged.append(now() - sent)
        for key in keys:
            deadline = time.monotonic() + _WAITS_S
            while client.get(report_path.format(key=key)).status_code != 200:
                assert time.monotonic() < deadline, f"no report of {key}"
                time.sleep(_POLL_S)

    with ThreadPoolExecutor(len(clients)) as threads:
        list(threads.map(run, range(len(clients))))
    took = now() - began
    p50 = 1000 * float(np.median(acknowledged))
    return {"scans/s": len(files) / took, "201 p50 ms": p50}


def zipped(folder: Path) -> bytes:
    """The files of a folder as a zip that compresses nothing."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return file.getvalue()


def multipart_related(folder: Path) -> tuple[bytes, str]:
    """The files of a folder as the body of a STOW-RS request, and its content type."""
    parts = [
        b"--fr\r\nContent-Type: application/dicom\r\n\r\n" + path.read_bytes() + b"\r\n"
        for path in sorted(folder.iterdir())
    ]
    body = b"".join([*parts, b"--fr--\r\n"])
    return body, 'multipart/related; type="application/dicom"; boundary=fr'
