import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pymongo
import pytest

from common.errors import MongodError
from common.mongod.embedded import find_mongod, start_mongod
from common.mongod.guardian import shared_mongod

ROOT = Path(__file__).parents[3]
USER = """
import sys
from pathlib import Path
from common.mongod.guardian import shared_mongod
with shared_mongod(Path(sys.argv[1])) as uri:
    print(uri, flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_user(data_dir: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a user in a separate process, which leaves when its stdin closes."""
    with subprocess.Popen(
        [sys.executable, "-c", USER, data_dir],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.communicate()


def eventually(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


def processes_of(data_dir: Path) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(data_dir) in part for part in process.info["cmdline"] or ())
        and "mongod" in " ".join(process.info["cmdline"])
    ]


def guardian(data_dir: Path) -> psutil.Process:
    return next(p for p in processes_of(data_dir) if "--guard" in p.cmdline())


def server_pid(data_dir: Path) -> int:
    state = data_dir / "mongod.json"
    return int(json.loads(state.read_text())["pid"]) if state.exists() else 0


def is_unused(data_dir: Path) -> bool:
    return not processes_of(data_dir)


def collection(uri: str) -> pymongo.collection.Collection[dict[str, Any]]:
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
        uri, serverSelectionTimeoutMS=20_000, w="majority", journal=True
    )
    return client["test"]["kept"]


def put(uri: str, value: int) -> None:
    kept = collection(uri)
    kept.insert_one({"value": value})
    kept.database.client.close()


def found(uri: str) -> list[int]:
    kept = collection(uri)
    values = [each["value"] for each in kept.find(sort=[("value", 1)])]
    kept.database.client.close()
    return values


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "data"
    eventually(lambda: is_unused(tmp_path))


def test_two_users_share_one_server_and_the_last_to_leave_stops_it(data_dir: Path) -> None:
    with another_user(data_dir) as (_, theirs):
        with shared_mongod(data_dir) as ours:
            assert ours == theirs
            put(ours, 1)
            pid = server_pid(data_dir)
        assert found(theirs) == [1]
        assert server_pid(data_dir) == pid
    eventually(lambda: is_unused(data_dir))


def test_data_survive_after_all_users_leave(data_dir: Path) -> None:
    with shared_mongod(data_dir) as uri:
        put(uri, 1)
    with shared_mongod(data_dir) as uri:  # joins while the first server is stopping
        assert found(uri) == [1]


def test_a_killed_user_does_not_keep_the_server_alive(data_dir: Path) -> None:
    with another_user(data_dir) as (process, _):
        process.kill()
    eventually(lambda: is_unused(data_dir))


def test_users_that_start_at_once_get_the_same_server(data_dir: Path) -> None:
    with ThreadPoolExecutor() as pool, ExitStack() as users:
        starting = [pool.submit(users.enter_context, another_user(data_dir)) for _ in range(3)]
        assert len({each.result()[1] for each in starting}) == 1
    assert "orphaned" not in (data_dir / "mongod.guardian.log").read_text()


def test_a_killed_mongod_restarts_with_every_acknowledged_write(data_dir: Path) -> None:
    with shared_mongod(data_dir) as uri:
        put(uri, 1)
        killed = server_pid(data_dir)
        psutil.Process(killed).kill()
        assert found(uri) == [1]
        eventually(lambda: server_pid(data_dir) not in (0, killed))
        assert "exited with status -9" in (data_dir / "mongod.guardian.log").read_text()


def test_mongod_stops_with_a_killed_guardian_and_a_user_starts_another(data_dir: Path) -> None:
    with shared_mongod(data_dir) as uri:
        put(uri, 1)
        killed = server_pid(data_dir)
        guardian(data_dir).kill()
        eventually(lambda: server_pid(data_dir) not in (0, killed))
        assert found(uri) == [1]


def killed_during_startup(folder: Path, times: int) -> Path:
    """A mongod that is killed during its first ``times`` starts."""
    folder.mkdir()
    binary = folder / "mongod"
    binary.write_text(f"""#!/bin/sh
        if [ "$1" != --version ] && [ "$(ls "{folder}/starts" | wc -l)" -lt {times} ]; then
            touch "{folder}/starts/$$"
            kill -9 $$
        fi
        exec "{find_mongod()}" "$@"
        """)
    binary.chmod(0o755)
    (folder / "starts").mkdir()
    return binary


def test_a_mongod_killed_during_startup_is_started_once_more(
    data_dir: Path, tmp_path: Path
) -> None:
    with shared_mongod(data_dir, killed_during_startup(tmp_path / "bin", 1)) as uri:
        put(uri, 1)
    assert "exited with status -9" in (data_dir / "mongod.guardian.log").read_text()


def test_a_mongod_killed_twice_during_startup_is_an_error(data_dir: Path, tmp_path: Path) -> None:
    binary = killed_during_startup(tmp_path / "bin", 99)
    with (
        pytest.raises(MongodError, match="mongod exited with status -9"),
        shared_mongod(data_dir, binary),
    ):
        pass
    assert len(list((tmp_path / "bin" / "starts").iterdir())) == 2


def test_a_terminated_guardian_stops_its_mongod_cleanly(data_dir: Path) -> None:
    with another_user(data_dir) as (process, _):
        process.kill()
        guardian(data_dir).terminate()
        eventually(lambda: is_unused(data_dir))
    assert '"exitCode":0' in (data_dir / "mongod.log").read_text()


def test_an_orphaned_server_is_stopped_and_replaced(data_dir: Path) -> None:
    orphan = start_mongod(
        data_dir, find_mongod()
    )  # without stop_with_parent, as if the kernel lacked it
    put(orphan.uri, 1)
    with shared_mongod(data_dir) as uri:
        assert server_pid(data_dir) != orphan.pid
        assert orphan.exit_status == 0
        assert found(uri) == [1]


def test_the_error_names_a_folder_that_cannot_be_created(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(MongodError, match="file/data' cannot hold the embedded MongoDB"),
        shared_mongod(tmp_path / "file" / "data"),
    ):
        pass


def test_the_error_for_unreadable_data_has_the_exit_status(data_dir: Path) -> None:
    (data_dir / "mongodb").mkdir(parents=True)
    (data_dir / "mongodb" / "WiredTiger.wt").write_bytes(b"not a database")
    (data_dir / "mongodb" / "WiredTiger").write_bytes(b"nor this")
    (data_dir / "mongodb" / "storage.bson").write_bytes(b"")
    with (
        pytest.raises(MongodError, match=r"mongod exited with status \d+"),
        shared_mongod(data_dir),
    ):
        pass


def test_a_user_waits_no_longer_than_its_timeout(data_dir: Path) -> None:
    with (
        shared_mongod(data_dir),
        pytest.raises(MongodError, match="not ready in time"),
        shared_mongod(data_dir, timeout_s=-1.0),
    ):
        pass
