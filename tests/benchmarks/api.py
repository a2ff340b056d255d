"""The API and its page: small scans to their reports, uploads of whole heads, lists, what watchers
cost, and how soon the page shows an image."""

import contextlib
import math
import os
import shutil
from collections.abc import Callable

import httpx2
import numpy as np

from common.domain.user import Role
from common.store.db_manager import DBManager
from fr_pacs.sources.phantom.model import Recipe
from fr_pacs.sources.phantom.source import PhantomSource
from tests.benchmarks import watchers
from tests.benchmarks.figures import Figures, Goal
from tests.benchmarks.growth import DONE, fill
from tests.benchmarks.http_clients import (
    CLIENTS,
    form_to,
    multipart_related,
    nifti,
    small_files,
    to_reports,
    zipped,
)
from tests.benchmarks.http_servers import WORKERS, celery_api, orthanc_http
from tests.benchmarks.large import SHAPE, write_slices
from tests.benchmarks.machine import now
from tests.benchmarks.page import opened
from tests.benchmarks.units import Bench, checked, rate, units
from tests.benchmarks.web import TIMEOUT_S, served
from tests.page.acts import PASSWORD, add_user

OURS = "Fr, small files by HTTP"
PEER = "FastAPI + Celery + Redis + PostgreSQL"
NIFTI, ZIP = "Fr, one NIfTI file", "Fr, a zip of DICOM slices"
REST, WEB = "Orthanc REST, a zip of DICOM slices", "Orthanc DICOMweb, the DICOM slices"
EACH = "Orthanc REST, a request for each slice"
PAGE = "the page, 181x217x181 voxels"
WATCHED, ALONE = "pipeline, the feed watched", "pipeline, nobody watches"

_LISTS = 200
_PAGE = 100


class Api:
    """Over HTTP, as people and programs use Fr."""

    name = "api"
    title = "The API"

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.samples: dict[str, list[float]] = {}
        self.rounds = 3 if bench.quick else 5
        self._small = 200 if bench.quick else 1_000
        self._pipeline = 6_000 if bench.quick else 30_000
        self._watchers = 200 if bench.quick else 1_000
        self._listed = 100_000 if bench.quick else 1_000_000
        self._slices = bench.folder / "api-slices"
        self._list_ms: dict[str, float] = {}
        self._list = f"list of {self._listed:,} scans"
        self._feed = f"{self._watchers:,} watchers beside {watchers.RATE} scans/s"
        self.goals = (
            Goal(f"Fr over {PEER}", (OURS, "scans/s"), (PEER, "scans/s"), 1, 2),
            Goal("upload of Fr over Orthanc REST", (ZIP, "MB/s"), (REST, "MB/s"), 1, 3),
            Goal("upload of Fr over Orthanc DICOMweb", (ZIP, "MB/s"), (WEB, "MB/s"), 1, 3),
            Goal("pipeline watched of not watched", (WATCHED, "scans/s"), (ALONE, "scans/s"),
                 0.97, 1),
            Goal(f"p99 of the feed, ms, {self._feed}", (self._feed, "p99 ms"), None, 100, 50,
                 below=True),
            Goal(f"p99 ms of a page of the {self._list}", (self._list, "p99 ms"), None, 100, 20,
                 below=True),
        )  # fmt: skip

    def subjects(self) -> dict[str, Callable[[], Figures]]:
        """Fr, the peers, and Fr with and without watchers."""
        return {
            OURS: self.small,
            PEER: self.peer,
            NIFTI: lambda: self.upload(NIFTI),
            ZIP: lambda: self.upload(ZIP),
            REST: lambda: self.orthanc(REST),
            WEB: lambda: self.orthanc(WEB),
            EACH: lambda: self.orthanc(EACH),
            ALONE: lambda: self.pipeline(0),
            WATCHED: lambda: self.pipeline(1),
            self._list: self.list,
            self._feed: self.feed,
            PAGE: self.page,
        }

    def close(self) -> None:
        """Remove the slices."""
        shutil.rmtree(self._slices, ignore_errors=True)

    def small(self) -> Figures:
        """Fr: each client is another user, as one user's files are stored one after the other."""
        with units(self._bench) as running:
            running.start("fr_brain", BRAIN_PROCESSES=str(WORKERS))
            with served(self._bench, running, CLIENTS) as clients:

                def key_of(answer: httpx2.Response) -> str:
                    return str(answer.json()["files"][0]["scans"][0])

                def send(files: list[bytes]) -> Figures:
                    report = "/api/v1/scans/{key}/report"
                    return to_reports(files, clients, form_to("/api/v1/scans"), key_of, report)

                send(small_files(4 * CLIENTS, 7))
                return send(small_files(self._small, 1))

    def peer(self) -> Figures:
        """The same files, analyzer, clients and durability."""
        with celery_api(self._bench.folder) as address, contextlib.ExitStack() as stack:
            clients = [
                stack.enter_context(httpx2.Client(base_url=address, timeout=TIMEOUT_S))
                for _ in range(CLIENTS)
            ]

            def send(files: list[bytes]) -> Figures:
                return to_reports(
                    files,
                    clients,
                    form_to("/scans"),
                    lambda answer: str(answer.json()["id"]),
                    "/scans/{key}/report",
                )

            send(small_files(4 * CLIENTS, 7))
            return send(small_files(self._small, 1))

    def upload(self, form: str) -> Figures:
        """Fr: heads of 14.2 MB, each until it is durable; no Fr-BRAIN."""
        voxels = self._head()
        count = 3
        with units(self._bench) as running, served(self._bench, running) as [client]:
            took = size = 0.0
            for n in range(count):
                # Else it is known, and not stored again.
                voxels[0, 0, 0] = n
                data = nifti(voxels) if form == NIFTI else self._zip(voxels)
                began = now()
                name = "a.nii" if form == NIFTI else "a.zip"
                answer = client.post("/api/v1/scans", files={"file": (name, data)})
                took += now() - began
                size += voxels.nbytes
                assert answer.status_code == 201, answer.text
                # A zip itself has a line, too, besides those of its members.
                outcomes = {file["outcome"] for file in answer.json()["files"]}
                assert {"stored"} <= outcomes <= {"stored", "skipped"}, outcomes
        return {"MB/s": size / 1e6 / took}

    def orthanc(self, form: str) -> Figures:
        """Orthanc: the same slices, in its three ways."""
        voxels = self._head()
        folder = self._bench.folder / f"orthanc-{os.urandom(4).hex()}"
        count, took = (1 if form == EACH else 3), 0.0
        with orthanc_http(folder) as address, httpx2.Client(timeout=TIMEOUT_S) as client:
            for n in range(count):
                voxels[0, 0, 0] = n
                data = self._zip(voxels)
                body, kind = multipart_related(self._slices)
                pieces = [path.read_bytes() for path in sorted(self._slices.iterdir())]
                began = now()
                if form == WEB:
                    headers = {"Content-Type": kind, "Accept": "application/dicom+json"}
                    url = f"{address}/dicom-web/studies"
                    client.post(url, content=body, headers=headers).raise_for_status()
                else:
                    for one in pieces if form == EACH else [data]:
                        client.post(f"{address}/instances", content=one).raise_for_status()
                took += now() - began
        shutil.rmtree(folder)
        return {"MB/s": count * voxels.nbytes / 1e6 / took}

    def page(self) -> Figures:
        """The page with the head of an upload, while nothing else runs."""
        with units(self._bench) as running, served(self._bench, running) as [client]:
            answer = client.post("/api/v1/scans", files={"file": ("a.nii", nifti(self._head()))})
            assert answer.status_code == 201, answer.text
            [key] = answer.json()["files"][0]["scans"]
            with contextlib.closing(DBManager(self._bench.uri, running.database, 60.0)) as store:
                add_user(store, "grace", Role.READER)
            return opened(str(client.base_url).rstrip("/"), "grace", PASSWORD, key)

    def _head(self) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
        source = PhantomSource(
            pacs="pacs-1", scans=1, seed=1, shape=SHAPE, recipe=Recipe(background="noise")
        )
        loaded = next(iter(source)).load()
        return np.array(loaded.scan.array(bytes(loaded.voxels)), order="F")

    def _zip(self, voxels: np.ndarray[tuple[int, ...], np.dtype[np.int16]]) -> bytes:
        shutil.rmtree(self._slices, ignore_errors=True)
        write_slices(voxels, self._slices)
        return zipped(self._slices)

    def pipeline(self, count: int) -> Figures:
        """All units and the API; ``count`` watchers follow the feed."""
        with units(self._bench) as running:
            running.start("fr_hub")
            running.start("fr_brain", BRAIN_PROCESSES="2")
            with served(self._bench, running) as [client], contextlib.ExitStack() as stack:
                checked(running.send(KIND="grid", SCANS="200", SEED="7"), 200)
                for _ in range(count):
                    stack.enter_context(watchers.following(client))
                totals = running.send(KIND="grid", SCANS=str(self._pipeline))
                return rate(checked(totals, self._pipeline))

    def list(self) -> Figures:
        """Pages of the work list: the newest, further ones, and those of a state."""
        if not self._list_ms:
            with units(self._bench) as running:
                with self._bench.client() as mongo:
                    fill(mongo[running.database], self._listed, DONE)
                with served(self._bench, running) as [client]:
                    self._list_ms = self._lists(client)
        # A million scans are inserted once: other rounds would measure the same.
        return self._list_ms

    def _lists(self, client: httpx2.Client) -> Figures:
        took, after = [], None
        for n in range(_LISTS + 20):
            given = {"limit": str(_PAGE), **({"state": "done"} if n % 2 else {})}
            began = now()
            page = client.get("/api/v1/scans", params=given | ({"after": after} if after else {}))
            took.append(1000 * (now() - began))
            assert page.status_code == 200, page.text
            after = page.json()["next"] if n % 4 else None
        p50, p99 = np.percentile(np.array(took[20:]), (50, 99))
        assert math.isfinite(p99)
        return {"p50 ms": float(p50), "p99 ms": float(p99)}

    def feed(self) -> Figures:
        """From the commit of a scan to each of the watchers."""
        found = watchers.run(self._watchers, watchers.RATE, watchers.SECONDS)
        return {"p50 ms": found[0], "p99 ms": found[1]}
