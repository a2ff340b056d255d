"""Uploads to the API beside faults, with a ledger as a Fr-PACS keeps one: each file is sent again
until it is acknowledged."""

import contextlib
import io
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import nibabel as nib
import numpy as np

from common.domain.scan_key import scan_id_of
from common.domain.types import DEFAULT_TENANT, hash_voxels
from common.domain.user import Role
from tests.faults.essence import essence
from tests.faults.lines import append
from tests.faults.nemesis import Scene
from tests.faults.truth import Truth
from tests.faults.world import UPLOADS, World

USERS = 3
"""Each uploads one file after the other; two are stored at a time."""

PIECES = 3
"""Requests in which the bytes of a file come."""

ENDS_S = 120.0
"""A file that is under way when no more are begun is acknowledged, and reported on, within this."""

_AGAIN_S = 0.1
_ANSWER_S = 30.0
SMALL, LARGE = (24, 20, 16), (96, 64, 64)
"""Shapes of int16: inside the scan's document, and in chunks."""

_EYE = np.diag([1.0, 2.0, 3.0, 1.0])


class _UploadGone(Exception):
    """Its instance was killed."""


class Refused(Exception):
    """The API refused a file for good."""


@dataclass
class Image:
    """A file, and what became of it."""

    name: str
    data: bytes
    truth: Truth
    keys: list[str] = field(default_factory=list)


def make_image(name: str, seed: int, *, large: bool) -> Image:
    """A NIfTI file of random int16 voxels."""
    draw = np.random.Generator(np.random.PCG64(seed))
    voxels = draw.integers(0, 1000, LARGE if large else SMALL, dtype="<i2")
    image = nib.Nifti1Image(voxels, _EYE)  # type: ignore[no-untyped-call]
    file = io.BytesIO()
    image.to_file_map({"image": nib.FileHolder(fileobj=file)})  # type: ignore[no-untyped-call]
    return Image(name, file.getvalue(), Truth(hash_voxels(voxels.tobytes(order="F"))))


class Uploads:
    """Users that upload images until the block ends; then all that they have begun is acknowledged
    and reported on, or that is a violation.

    Args:
        scene: where violations go.
        large: share of images that are stored in chunks.
    """

    def __init__(self, scene: Scene, large: float = 0.3) -> None:
        self._scene = scene
        self._world = scene.world
        self._large = large
        self._seed = scene.random.randrange(1 << 30)
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self.acknowledged: list[Image] = []
        self._threads: list[threading.Thread] = []
        self.answers: Counter[str] = Counter()
        """How often each method got each status."""

    def __enter__(self) -> Self:
        self._headers = [headers_of(self._world, f"uploads-{n}") for n in range(USERS)]
        for n, headers in enumerate(self._headers):
            thread = threading.Thread(target=self._run, args=(n, headers), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        deadline = time.monotonic() + ENDS_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._scene.row.notes.update(
            uploads=len(self.acknowledged), answers=dict(self.answers.most_common())
        )
        hang = any(thread.is_alive() for thread in self._threads)
        self._scene.demand(not hang, "uploads", f"a file is not acknowledged after {ENDS_S:.0f} s")
        if kind is None:
            self._scene.demand(self.acknowledged, "uploads", "nothing was uploaded")
            self._sent_again()
            self._delivered()
            self._nothing_left()

    def _run(self, user: int, headers: dict[str, str]) -> None:
        draw = random.Random(f"{self._seed}/{user}")
        number = 0
        while not self._stopping.is_set():
            name = f"image-{self._seed}-{user}-{number}.nii"
            image = make_image(name, draw.randrange(1 << 30), large=draw.random() < self._large)
            number += 1
            try:
                self._upload(image, headers, draw)
            except Refused as refused:
                self._scene.demand(False, name, str(refused))

    def _upload(self, image: Image, headers: dict[str, str], draw: random.Random) -> None:
        """Until it is acknowledged: resumed where its instance has it, begun again elsewhere."""
        until: float | None = None
        url, client = "", self._client(draw, headers)
        try:
            while until is None or time.monotonic() < until:
                if until is None and self._stopping.is_set():
                    until = time.monotonic() + ENDS_S
                elsewhere = False
                try:
                    url = url or self._begun(client, image)
                    if url and self._is_finished(client, url, image):
                        return
                except _UploadGone:
                    url, elsewhere = "", True
                except httpx2.TransportError:
                    self.answers["none"] += 1
                    elsewhere = not url
                if elsewhere:
                    client.close()
                    client = self._client(draw, headers)
                time.sleep(_AGAIN_S)
        finally:
            client.close()

    def _begun(self, client: httpx2.Client, image: Image) -> str:
        begun = {"name": image.name, "size": len(image.data)}
        answer = self._told(client.post("/api/v1/uploads", json=begun))
        return str(answer.json()["url"]) if answer.status_code == 201 else ""

    def _is_finished(self, client: httpx2.Client, url: str, image: Image) -> bool:
        """One more step of an upload; whether it is acknowledged.

        Raises:
            _UploadGone: its instance has it no more.
        """
        known = self._told(client.head(url))
        if known.status_code == 404:
            raise _UploadGone
        if known.status_code != 200:
            return False
        offset, step = int(known.headers["upload-offset"]), -(-len(image.data) // PIECES)
        while offset < len(image.data):
            piece, at = image.data[offset : offset + step], {"Upload-Offset": str(offset)}
            if self._told(client.patch(url, content=piece, headers=at)).status_code != 204:
                return False
            offset += len(piece)
        finished = self._told(client.post(f"{url}/finish"))
        if finished.status_code == 201:
            self._acknowledged(image, finished.json())
        return finished.status_code == 201

    def _told(self, answer: httpx2.Response) -> httpx2.Response:
        """Count an answer.

        Raises:
            Refused: it is one that another try does not change.
        """
        method, status = answer.request.method, answer.status_code
        self.answers[f"{method} {status}"] += 1
        if status >= 400 and status not in (404, 409, 429, 503):
            raise Refused(f"{method} answered {status}: {answer.text:.200}")
        return answer

    def _client(self, draw: random.Random, headers: dict[str, str]) -> httpx2.Client:
        return _client(draw.choice(self._world.web_ports), headers)

    def _acknowledged(self, image: Image, answer: dict[str, Any]) -> None:
        [file] = answer["files"]
        if file["outcome"] not in ("stored", "known") or len(file["scans"]) != 1:
            raise Refused(f"it is {file['outcome']}: {file['reason']}")
        image.keys = file["scans"]
        [key] = image.keys
        with self._lock:
            self._world.truths.labelled[image.name] = image.truth
            made = {"scan_id": key, "kind": "file", "label": image.name, "shape": [1, 1, 1]}
            append(self._world.folder / f"{UPLOADS}.made", [made])
            self._note(key, "sent", "acknowledged")
            self.acknowledged.append(image)

    def _note(self, key: str, *events: str) -> None:
        at = datetime.now(UTC).isoformat()
        lines = [
            {"event": event, "scan_id": scan_id_of(key), "pacs": UPLOADS, "at": at}
            for event in events
        ]
        append(self._world.folder / f"{UPLOADS}.jsonl", lines)

    def _sent_again(self) -> None:
        """The same file is the same scan, at any instance."""
        image = self._scene.random.choice(self.acknowledged)
        for port in self._world.web_ports:
            with _client(port, self._headers[0]) as client:
                answer = client.post("/api/v1/scans", files={"file": (image.name, image.data)})
            told = answer.json().get("files", [{}])[0]
            same = (told.get("outcome"), told.get("scans")) == ("known", image.keys)
            self._scene.demand(same, image.name, f"sent again it is {answer.text:.200}")

    def _delivered(self) -> None:
        """Each report can be read in the API; note it as a Fr-PACS notes what it received."""
        deadline = time.monotonic() + ENDS_S
        left = {image.keys[0] for image in self.acknowledged}
        with _client(self._world.web_ports[0], self._headers[0]) as client:
            while left and time.monotonic() < deadline:
                for key in sorted(left):
                    with contextlib.suppress(httpx2.TransportError):
                        answer = client.get(f"/api/v1/scans/{key}/report")
                        if answer.status_code == 200:
                            self._reported(key, answer.json())
                            left.discard(key)
                time.sleep(_AGAIN_S)
        for key in sorted(left):
            self._scene.demand(False, key, "its report cannot be read in the API")

    def _reported(self, key: str, report: dict[str, Any]) -> None:
        self._note(key, "reported")
        delivery = {
            "scan_id": key,
            "pacs": UPLOADS,
            "revision": report["revision"],
            "voxels_hash": report["voxels_hash"],
            "findings": essence(report["findings"]),
        }
        append(self._world.folder / f"{UPLOADS}.delivered", [delivery])

    def _nothing_left(self) -> None:
        """No file of an upload is left, whoever was killed with it."""
        self._world.wait(lambda: not files_of(self._world), ENDS_S / 4)
        left = files_of(self._world)
        self._scene.demand(not left, "uploads", f"{len(left)} files of uploads are left")


def _client(port: int, headers: dict[str, str]) -> httpx2.Client:
    return httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=_ANSWER_S)


def headers_of(world: World, user: str) -> dict[str, str]:
    """Of a clinician of this name, with a new token."""
    with contextlib.suppress(ValueError):
        world.store.users.add(user, DEFAULT_TENANT, [Role.CLINICIAN])
    token = world.store.tokens.add(user, timedelta(hours=6))
    return {"Authorization": f"Bearer {token}"}


def files_of(world: World) -> list[Path]:
    """Uploaded files that are on the disk now."""
    folder = world.web_data / "web" / "uploads"
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "lock"]
