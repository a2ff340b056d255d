"""The process itself: killed in the middle of an upload, under slow clients, and what it holds."""

import contextlib
import os
import re
import signal
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from subprocess import Popen

import httpx2
import numpy as np
import pytest

from common.audit.verification import AuditVerifier
from common.commands.verify import verify
from common.domain.user import Role
from common.store.db_manager import DBManager
from tests.factories import inside
from tests.fr_pacs.sources.image_folders import saver
from tests.processes import start, stop
from tests.running import free_port, until

UPLOADS = "/api/v1/uploads"


class Web:
    """One process of the API, and the address of it."""

    def __init__(
        self, store: DBManager, data: Path, module: str = "fr_hub.web", **given: str
    ) -> None:
        self.port = free_port()
        self._store = store
        self.process: Popen[str] = start(
            module,
            None,
            MONGODB_URI=store.connection.uri,
            MONGODB_DATABASE=store.connection.name,
            WEB_PORT=str(self.port),
            DATA_DIR=str(data),
            HUB_DISK_FREE_MIB="0",
            **given,
        )
        until(lambda: self._answers() or self.process.poll() is not None, 120)
        assert self.process.poll() is None

    def _answers(self) -> bool:
        with contextlib.suppress(httpx2.TransportError):
            return httpx2.get(f"http://127.0.0.1:{self.port}/health/ping").status_code == 200
        return False

    def token(self, user: str) -> str:
        self._store.users.add(user, "default", [Role.CLINICIAN])
        return self._store.tokens.add(user, timedelta(hours=1))

    def client(self, user: str = "jane") -> httpx2.Client:
        headers = {"Authorization": f"Bearer {self.token(user)}"}
        return httpx2.Client(
            base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=60.0
        )

    def peak_mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def web(store: DBManager, tmp_path: Path) -> Iterator[Web]:
    running = Web(store, tmp_path / "data")
    try:
        yield running
    finally:
        stop(running.process)


def begin(client: httpx2.Client, size: int) -> str:
    return str(client.post(UPLOADS, json={"name": "a.nii", "size": size}).json()["url"])


def patch(client: httpx2.Client, url: str, offset: int, data: object) -> httpx2.Response:
    headers = {"Upload-Offset": str(offset)}
    return client.patch(url, content=data, headers=headers)  # type: ignore[arg-type]


def uploaded(client: httpx2.Client, data: bytes) -> dict[str, object]:
    url = begin(client, len(data))
    assert patch(client, url, 0, data).status_code == 204
    answer = client.post(f"{url}/finish")
    assert answer.status_code == 201, answer.text
    [file] = answer.json()["files"]
    return dict(file)


def test_a_large_upload_takes_little_memory(web: Web) -> None:
    size = 192 << 20
    with web.client() as client:
        assert client.get(f"{UPLOADS}/none").status_code == 404
        before = web.peak_mib()
        url = begin(client, size)
        assert patch(client, url, 0, (bytes(1 << 20) for _ in range(size >> 20))).status_code == 204
        assert client.head(url).headers["upload-offset"] == str(size)
        assert client.delete(url).status_code == 204
        pieces = [b'--x\r\nContent-Disposition: form-data; name="f"; filename="n.txt"\r\n\r\n']
        pieces += [*[bytes(1 << 20)] * 64, b"\r\n--x--\r\n"]
        headers = {
            "Content-Type": "multipart/form-data; boundary=x",
            "Content-Length": str(sum(map(len, pieces))),
        }
        answer = client.post("/api/v1/scans", content=iter(pieces), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "no_scan")
    assert web.peak_mib() - before < 60


def test_a_slow_client_keeps_nobody_waiting_and_what_it_sent_is_kept(
    web: Web, tmp_path: Path
) -> None:
    data = saver(tmp_path)("a.nii").read_bytes()
    with web.client("slow") as slow, web.client("fast") as fast:
        url = begin(slow, 1000)
        with contextlib.ExitStack() as stack:
            for _ in range(50):  # more than the server has threads
                drip = stack.enter_context(socket.create_connection(("127.0.0.1", web.port)))
                head = f"PATCH {url} HTTP/1.1\r\nHost: localhost\r\nUpload-Offset: 0\r\n"
                head += f"Authorization: {slow.headers['Authorization']}\r\n"
                drip.sendall(f"{head}Content-Length: 1000\r\n\r\n".encode() + b"1234567")
            assert uploaded(fast, data)["outcome"] == "stored"
        until(lambda: slow.head(url).headers["upload-offset"] == "7", 20)


@pytest.mark.long
def test_after_a_kill_the_client_starts_again_and_nothing_is_left(
    web: Web, store: DBManager, tmp_path: Path
) -> None:
    data = saver(tmp_path)("JANE-DOE.nii").read_bytes()
    with web.client() as client:
        url = begin(client, len(data))
        assert patch(client, url, 0, data[:100]).status_code == 204
    web.kill()
    folder = tmp_path / "data" / "web" / "uploads"
    assert list(folder.rglob("*.nii"))
    later = Web(store, tmp_path / "data")
    try:
        until(lambda: not any("JANE" in name for _, _, names in os.walk(folder) for name in names))
        with later.client() as client:
            gone = client.head(url)
            assert gone.status_code == 404
            answer = patch(client, url, 100, data[100:]).json()
            assert answer["code"] == "upload_unknown"
            assert "Start the upload again" in answer["detail"]
            assert uploaded(client, data)["outcome"] == "stored"
    finally:
        assert stop(later.process) == 0


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    ("point", "large", "stored"),
    [("chunks", True, 0), ("stored", True, 1), ("recorded", False, 1)],
)
def test_wherever_it_is_killed_the_same_file_is_one_scan_afterwards(
    store: DBManager, tmp_path: Path, point: str, large: bool, stored: int
) -> None:
    voxels = np.arange(64**3, dtype=np.int32).reshape(64, 64, 64) if large else None
    data = saver(tmp_path)("a.nii", voxels).read_bytes()
    dying = Web(store, tmp_path / "data", "tests.fr_hub.web.uploads.killed_at", KILLED_AT=point)
    with dying.client() as client:
        url = begin(client, len(data))
        assert patch(client, url, 0, data).status_code == 204
        with pytest.raises(httpx2.TransportError):
            client.post(f"{url}/finish")
    assert dying.process.wait(10) == -signal.SIGKILL
    assert inside(store).count_documents({}) == stored
    later = Web(store, tmp_path / "data")
    try:
        with later.client() as client:
            again = uploaded(client, data)
    finally:
        assert stop(later.process) == 0
    assert again["outcome"] == ("known" if stored else "stored")
    [document] = inside(store).find()
    assert again["scans"] == [document["_id"]]
    assert "unsealed" not in document
    assert verify(store, deep=True).gaps == 0
    assert AuditVerifier(store).run().total == 0
