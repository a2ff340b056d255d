"""Large scans: a 1 mm head, 181x217x181 int16, with an empty or a noisy background."""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common.domain.scan import BrainScan
from fr_pacs.sources.phantom.model import Background
from fr_pacs.sources.phantom.source import PhantomSource, Recipe
from tests.benchmarks.figures import Figures, Goal, Missing
from tests.benchmarks.machine import now
from tests.benchmarks.servers import orthanc, storescp, tcp_pair
from tests.benchmarks.units import Bench, checked, units

SHAPE = (181, 217, 181)
EMPTY, NOISE = "empty background", "noise everywhere"
BACKGROUNDS: dict[str, Background] = {EMPTY: "empty", NOISE: "noise"}
CHUNK = 255 * 1024


def ours(form: str) -> str:
    """Subject name: ingest by Fr."""
    return f"Fr, {form}"


def raw(form: str) -> str:
    """Subject name: raw volume written to the same MongoDB."""
    return f"raw into the same MongoDB, {form}"


def packed(form: str) -> str:
    """Subject name: compressed file with fsync."""
    return f"limit: compressed file with fsync, {form}"


STORESCP, ORTHANC = "storescp, one association", "Orthanc, one association"
ALONE, WHOLE = "analysis alone, two processes", "Fr, end to end"


def save_volume(folder: Path, form: str) -> Path:
    """Save the voxels of a head with this background for the sender; returns the file."""
    recipe = Recipe(background=BACKGROUNDS[form])
    source = PhantomSource(pacs="pacs-1", scans=1, seed=1, shape=SHAPE, recipe=recipe)
    loaded = next(iter(source)).load()
    scan = loaded.scan
    path = folder / f"{form.replace(' ', '-')}.npy"
    np.save(path, scan.array(bytes(loaded.voxels)))
    about = {"scan_type": scan.scan_type, "dtype": scan.dtype, "affine": scan.affine}
    path.with_suffix(".json").write_text(json.dumps(about))
    return path


class Large:
    """Megabytes of voxels per second."""

    name = "large"
    title = "Large scans, 14.2 MB each"
    goals = (
        Goal("Fr over the raw volume, empty background", (ours(EMPTY), "MB/s"),
             (raw(EMPTY), "MB/s"), 1.3, 1.6),
        Goal("Fr over the raw volume, noise everywhere", (ours(NOISE), "MB/s"),
             (raw(NOISE), "MB/s"), 1.2, 1.4),
        Goal("Fr of the compressed file with fsync", (ours(EMPTY), "MB/s"),
             (packed(EMPTY), "MB/s"), 0.40, 0.60, limit=True),
        Goal("Fr over storescp", (ours(EMPTY), "MB/s"), (STORESCP, "MB/s"), 5, 8),
        Goal("Fr over Orthanc", (ours(EMPTY), "MB/s"), (ORTHANC, "MB/s"), 15, 25),
        Goal("end to end, of ingest and analysis alone", (WHOLE, "of its parts"), None, 0.80, 0.90,
             limit=True),
    )  # fmt: skip

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.samples: dict[str, list[float]] = {}
        self.rounds = 3 if bench.quick else 5
        self._scans = 8 if bench.quick else 20
        self._volumes: dict[str, Path] = {}
        self._last: dict[str, float] = {}

    def subjects(self) -> dict[str, Callable[[], Figures]]:
        """Fr, the limits and the peers."""
        self._make()
        every: dict[str, Callable[[], Figures]] = {}
        for form in BACKGROUNDS:
            every[ours(form)] = lambda form=form: self.ingest(form)  # type: ignore[misc]
            every[raw(form)] = lambda form=form: self.raw(form)  # type: ignore[misc]
            every[packed(form)] = lambda form=form: self.packed(form)  # type: ignore[misc]
        every["limit: TCP copy"] = self.tcp
        every[STORESCP] = self.storescp
        every[ORTHANC] = self.orthanc
        every[ALONE] = self.analysis
        every[WHOLE] = self.whole
        return every

    def close(self) -> None:
        """Nothing to release."""

    def _make(self) -> None:
        for form in BACKGROUNDS:
            self._volumes[form] = save_volume(self._bench.folder, form)

    def _load(self, form: str) -> npt.NDArray[np.int16]:
        voxels: npt.NDArray[np.int16] = np.asfortranarray(np.load(self._volumes[form]))
        return voxels

    def ingest(self, form: str) -> Figures:
        """Ingest without Fr-BRAIN, until the last acknowledgement."""
        with units(self._bench) as running:
            running.start("fr_hub")
            totals = running.send(
                "tests.benchmarks.sender",
                BENCH_VOLUME=str(self._volumes[form]),
                SCANS=str(self._scans),
                REPORT_PATIENCE_S="0.1",
            )
        assert totals["acknowledged"] == self._scans, totals
        speed = totals["megabytes"] / totals["seconds"]
        self._last[ours(form)] = self._scans / totals["seconds"]
        return {"MB/s": speed}

    def raw(self, form: str) -> Figures:
        """PyMongo only: chunks of 255 KiB, one call per scan."""
        flat = self._load(form).reshape(-1, order="F").view(np.uint8)
        with self._bench.database() as name, self._bench.client() as client:
            chunks = client[name].chunks
            chunks.insert_one({"_id": "first"})
            began = now()
            for scan in range(self._scans):
                chunks.insert_many(
                    [
                        {"_id": {"s": scan, "n": n}, "voxels": flat[at : at + CHUNK].tobytes()}
                        for n, at in enumerate(range(0, flat.size, CHUNK))
                    ],
                    ordered=False,
                )
            return _speed(flat.size * self._scans, now() - began)

    def packed(self, form: str) -> Figures:
        """Compress with blosc2 (shuffle, lz4, level 1), write and fsync."""
        try:
            import blosc2
        except ImportError:
            raise Missing("blosc2 is not installed: see make bench") from None
        voxels = self._load(form).reshape(-1, order="F")
        folder = self._bench.folder / "packed"
        folder.mkdir(exist_ok=True)
        cparams = {
            "codec": blosc2.Codec.LZ4,
            "clevel": 1,
            "typesize": 2,
            "nthreads": 1,
            "filters": [blosc2.Filter.SHUFFLE],
        }
        began = now()
        for scan in range(self._scans):
            with (folder / f"{scan}.b2").open("wb") as file:
                file.write(blosc2.compress2(voxels, **cparams))
                file.flush()
                os.fsync(file.fileno())
        took = now() - began
        stored = sum(path.stat().st_size for path in folder.iterdir())
        shutil.rmtree(folder)
        size = voxels.nbytes * self._scans
        return {**_speed(size, took), "compressed to %": 100 * stored / size}

    def tcp(self) -> Figures:
        """Copy the bytes over loopback into memory."""
        flat = memoryview(self._load(EMPTY).tobytes(order="F"))
        one, other = tcp_pair()
        total = len(flat) * self._scans

        def take() -> None:
            buffer = bytearray(1 << 20)
            got = 0
            while got < total:
                got += other.recv_into(buffer)

        taking = threading.Thread(target=take)
        taking.start()
        began = now()
        for _ in range(self._scans):
            one.sendall(flat)
        taking.join()
        took = now() - began
        one.close()
        other.close()
        return _speed(total, took)

    def storescp(self) -> Figures:
        """Send 181 slices per volume to storescp with DCMTK's storescu."""
        folder = self._bench.folder / "storescp"
        with storescp(folder) as port:
            figures = self._store_scu(port, "ANY")
        shutil.rmtree(folder)
        return figures

    def orthanc(self) -> Figures:
        """Send the same slices to Orthanc."""
        folder = self._bench.folder / "orthanc"
        with orthanc(folder) as port:
            figures = self._store_scu(port, "ORTHANC")
        shutil.rmtree(folder)
        return figures

    def _store_scu(self, port: int, title: str) -> Figures:
        if shutil.which("storescu") is None:
            raise Missing("storescu is not installed")
        folder = self._bench.folder / "slices"
        if not folder.is_dir():
            write_slices(self._load(EMPTY), folder)
        size = SHAPE[0] * SHAPE[1] * 2 * SHAPE[2]
        arguments = ["storescu", "-aec", title, "+sd", "127.0.0.1", str(port), str(folder)]
        began = now()
        subprocess.run(
            arguments, check=True, capture_output=True, env={**os.environ, "TCP_NODELAY": "1"}
        )
        return _speed(size, now() - began)

    def analysis(self) -> Figures:
        """Analyse volumes in memory on two cores, one thread in each process as in Fr-BRAIN (``make
        bench`` says so to all processes)."""
        count = max(2, self._scans // 2)
        with get_context("spawn").Pool(2) as pool:
            pool.map(_analyse, [(str(self._volumes[EMPTY]), 1)] * 2, chunksize=1)
            began = now()
            pool.map(_analyse, [(str(self._volumes[EMPTY]), count)] * 2, chunksize=1)
            took = now() - began
        self._last[ALONE] = 2 * count / took
        return {"volumes/s": 2 * count / took}

    def whole(self) -> Figures:
        """All three units, compared with ingest and analysis alone on the same two cores."""
        with units(self._bench) as running:
            running.start("fr_hub")
            running.start("fr_brain", BRAIN_PROCESSES="2")
            module = "tests.benchmarks.sender"
            volume = str(self._volumes[EMPTY])
            checked(running.send(module, BENCH_VOLUME=volume, SCANS="2"), 2)
            totals = running.send(module, BENCH_VOLUME=volume, SCANS=str(self._scans))
        speed = checked(totals, self._scans)["delivered"] / totals["seconds"]
        together = 1 / (1 / self._last[ours(EMPTY)] + 1 / self._last[ALONE])
        return {"volumes/s": speed, "of its parts": speed / together}


def _analyse(job: tuple[str, int]) -> None:
    from fr_brain.analyzers.registry import load_analyzers
    from tests.benchmarks.sender import Volumes

    path, count = job
    registry = load_analyzers()
    for task in Volumes(Path(path), count):
        loaded = task.load()
        scan: BrainScan = loaded.scan
        registry.pick(scan.scan_type).analyse(scan, scan.array(loaded.voxels))


def _speed(size: int, seconds: float) -> Figures:
    return {"MB/s": size / 1e6 / seconds}


def write_slices(voxels: npt.NDArray[Any], folder: Path) -> None:
    """Write a volume as MR slices into a new folder."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

    folder.mkdir()
    study, series = generate_uid(), generate_uid()
    for n in range(voxels.shape[2]):
        image = Dataset()
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = MRImageStorage
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        image.StudyInstanceUID, image.SeriesInstanceUID = study, series
        image.PatientID, image.PatientName = "bench", "bench"
        image.StudyDate = image.StudyTime = image.AccessionNumber = image.StudyID = ""
        image.ReferringPhysicianName = image.PatientBirthDate = image.PatientSex = ""
        image.Modality, image.InstanceNumber, image.SeriesNumber = "MR", n + 1, 1
        image.Rows, image.Columns = voxels.shape[1], voxels.shape[0]
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.BitsAllocated = image.BitsStored = 16
        image.HighBit, image.PixelRepresentation = 15, 1
        image.PixelSpacing, image.SliceThickness = [1, 1], 1
        image.ImagePositionPatient = [0, 0, n]
        image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        image.PixelData = np.ascontiguousarray(voxels[:, :, n].T).astype("<i2").tobytes()
        image.save_as(folder / f"{n:03}.dcm", enforce_file_format=True)
