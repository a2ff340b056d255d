"""Uncaught exceptions, warnings and library logs are reported without the data in their texts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from common.errors import SourceError, StoreUnavailable
from common.runtime.python_errors import describe, traceback_of

ROOT = Path(__file__).parents[3]
MARKER = "MUELLER^HANS"

RUN = f"""
import asyncio, logging, sys, threading, warnings
from common.runtime.entry_point import run_unit
from common.runtime.logger import configure

MARKER = {MARKER!r}

def fail():
    raise ValueError(MARKER)

async def lose_a_task():
    task = asyncio.ensure_future(asyncio.to_thread(fail))
    await asyncio.wait([task])

def main():
    if sys.argv[1] != "plain":
        configure("info", sys.argv[1], "fr-hub")
    warnings.warn("quotes " + MARKER)
    logging.getLogger("a.library").warning("got %s", MARKER)
    thread = threading.Thread(target=fail, name="client-1")
    thread.start()
    thread.join()
    asyncio.run(lose_a_task())
    try:
        fail()
    except ValueError as error:
        raise RuntimeError(MARKER) from error

sys.exit(run_unit("fr hub", main))
"""


@pytest.mark.parametrize("style", ["json", "console", "plain"])
def test_no_text_that_python_prints_quotes_data(style: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", RUN, style], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    shown = ran.stdout + ran.stderr
    assert ran.returncode == 1
    assert MARKER not in shown
    for told in ("UserWarning", "a.library", "RuntimeError", "ValueError", "in fail", "in main"):
        assert told in shown, told
    if style == "json":
        lines = [json.loads(line) for line in ran.stdout.splitlines()]
        assert not ran.stderr
        assert [line.get("thread") for line in lines if "thread" in line] == ["client-1"]


def test_an_error_of_ours_keeps_its_text() -> None:
    assert describe(StoreUnavailable("no primary\x1b")) == "StoreUnavailable: no primary\\x1b"
    assert describe(FileNotFoundError(2, "No such file", MARKER)) == (
        "FileNotFoundError: No such file"
    )
    assert MARKER not in describe(KeyError(MARKER))
    assert describe(ValueError()) == "ValueError"


def test_a_traceback_names_each_place_and_cause() -> None:
    def deep() -> None:
        try:
            int(MARKER)
        except ValueError as error:
            raise SourceError("cannot be read") from error

    with pytest.raises(SourceError) as raised:
        deep()
    lines = traceback_of(raised.value)
    assert lines[-1] == "SourceError: cannot be read"
    assert any(line.startswith("ValueError") for line in lines)
    assert not any(MARKER in line for line in lines)


LEAKED = """
import multiprocessing, os, signal
from common.runtime.entry_point import run_unit

def main():
    held = multiprocessing.get_context("spawn").Semaphore()
    os.kill(os.getpid(), signal.SIGKILL)

run_unit("fr brain", main)
"""


def test_a_kill_leaves_no_line_of_the_resource_tracker() -> None:
    """Its line is no JSON. The pipe is at its end only once the tracker has exited too."""
    ran = subprocess.run(
        [sys.executable, "-c", LEAKED], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == -9
    assert ran.stdout + ran.stderr == ""


class _Number(BaseModel):
    number: int


def test_the_texts_that_are_withheld_would_quote_data() -> None:
    """If libraries stopped quoting, the texts could be shown."""
    with pytest.raises(ValueError, match="MUELLER"):
        _Number.model_validate({"number": MARKER})
