"""A confined process: no network, no secrets, no programs, no writing."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from common.formats.reader import Reader
from tests.common.formats.dicom.dicom_files import DATA, KEY

ATTEMPTS = """
import ctypes, json, os, resource, socket, subprocess, sys
from common.formats.reading.confinement import confine, limit_cpu
os.set_inheritable(0, False)
assert confine(int(sys.argv[1]))
folder, parent = sys.argv[2], int(sys.argv[3])
result = {}
def attempt(name, act):
    try:
        act()
        result[name] = "done"
    except OSError as error:
        result[name] = error.errno
    except ValueError:  # of setrlimit: EPERM
        result[name] = 1
    except MemoryError:
        result[name] = "memory"
attempt("socket", lambda: socket.socket())
attempt("unix", lambda: socket.socket(socket.AF_UNIX))
attempt("pair", lambda: socket.socketpair())
attempt("fork", os.fork)
attempt("exec", lambda: os.execv("/bin/true", ["true"]))
attempt("run", lambda: subprocess.run(["/bin/true"]))
attempt("write", lambda: open(folder + "/new", "w"))
attempt("append", lambda: open(folder + "/old", "a"))
attempt("remove", lambda: os.unlink(folder + "/old"))
attempt("rename", lambda: os.rename(folder + "/old", folder + "/new"))
attempt("make", lambda: os.mkdir(folder + "/new"))
attempt("mode", lambda: os.chmod(folder + "/old", 0o777))
attempt("truncate", lambda: os.truncate(folder + "/old", 0))
attempt("kill", lambda: os.kill(parent, 0))
attempt("limits", lambda: resource.prlimit(parent, resource.RLIMIT_CORE))
attempt("memory", lambda: bytearray(600 << 20))
attempt("read", lambda: open(folder + "/old").read())
attempt("share", lambda: os.ftruncate(os.memfd_create("x"), 1 << 20))
attempt("cpu", lambda: limit_cpu(1))
attempt("more", lambda: resource.setrlimit(resource.RLIMIT_CORE, (1, 1)))
attempt("files", lambda: [os.open(folder + "/old", os.O_RDONLY) for _ in range(99)])
result["core"] = resource.getrlimit(resource.RLIMIT_CORE)
sys.stdout.write(json.dumps(result))
"""


@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="no filter for it")
def test_nothing_but_reading_is_left(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    done = subprocess.run(
        [sys.executable, "-c", ATTEMPTS, str(64 << 20), str(tmp_path), str(os.getpid())],
        capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    allowed = {name: result.pop(name) for name in ("read", "share", "cpu")}
    assert set(allowed.values()) == {"done"}
    assert result.pop("core") == [0, 0]
    assert result.pop("memory") == "memory"
    assert result.pop("files") == 24  # EMFILE
    assert set(result.values()) == {1}, result  # EPERM
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_a_reader_process_has_no_secret_and_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARED_SECRET", "very-secret")
    monkeypatch.setenv("MONGODB_URI", "mongodb://user:very-secret@host/")
    with Path("/dev/null").open() as other:
        os.set_inheritable(other.fileno(), True)
        reader = Reader(processes=1)
        [inside] = reader.discover([(DATA / "CT_small.dcm", "a")], KEY)
        assert isinstance(inside, list)
        assert reader.confined
        [pid] = reader.pids
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        names = {line.partition(b"=")[0] for line in environment if line}
        assert names == {b"LANG", b"OPENBLAS_NUM_THREADS", b"OMP_NUM_THREADS", b"PYTHONPATH"}
        assert b"very-secret" not in Path(f"/proc/{pid}/cmdline").read_bytes()
        assert KEY.hex().encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
        links = {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()}
        kinds = {link.partition(":")[0] for link in links}
        assert kinds <= {"pipe", "/dev/null", "/memfd"}, links
        status = Path(f"/proc/{pid}/status").read_text()
        assert "NoNewPrivs:\t1" in status
        assert "Seccomp:\t2" in status
    reader.close()
