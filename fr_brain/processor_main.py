"""The process of one processor, from its start to its exit code."""

import contextlib
import multiprocessing
import os
import threading
import time

from common.audit.writer import AuditWriter
from common.runtime.entry_point import run_unit
from common.runtime.lifecycle import Exit, Lifecycle, Stop
from common.runtime.logger import configure, get_log
from common.settings.brain import BrainSettings
from common.store.db_manager import DBManager
from common.store.unit_parts import brain_parts
from fr_brain.analyzers.registry import load_analyzers
from fr_brain.current_scan import CurrentScan
from fr_brain.limits import limit_memory, memory_limit_mib
from fr_brain.processor import Processor
from fr_brain.work_signal import WorkSignal


def processor_main(
    settings: BrainSettings,
    uri: str,
    owner: str,
    number: int,
    work_signal: WorkSignal,
    current_scan: CurrentScan,
) -> None:
    """Run a processor until it is stopped.

    Args:
        uri: the MongoDB that the supervisor uses; the embedded one is not in the settings.
        owner: the id under which the processor claims scans.
        number: its number within this Fr-BRAIN, for logs.

    Raises:
        SystemExit: always, with the exit code.
    """

    def main() -> int:
        lifecycle = Lifecycle()
        configure(settings.log_level, settings.log_format, "fr-brain", f"fr-brain-{number}")
        log = get_log(processor=number)
        _stop_with_parent(lifecycle, settings.brain_drain_s)
        limit_memory(memory_limit_mib(settings.brain_memory_mib, settings.brain_processes))
        store = DBManager(uri, settings.mongodb_database, settings.mongodb_timeout_s)
        # Otherwise a processor that waits for work would notice the stop later.
        lifecycle.on_stop(work_signal.notify_always)
        store.connection.feed.open()
        try:
            registry = load_analyzers()
            stop = lifecycle.stop
            audit = AuditWriter(
                store.audit_log, "processor", log, durable_s=settings.mongodb_timeout_s, owner=owner
            )
            with contextlib.closing(audit):
                recorded = brain_parts(store.recorded_by(audit))
                processor = Processor(
                    settings, recorded, registry, owner, stop, work_signal, log, current_scan
                )
                processor.run()
        finally:
            store.close()
        return Exit.OK

    code = run_unit(f"fr brain processor {number}", main)
    current_scan.ends_with(code)
    raise SystemExit(code)


def _stop_with_parent(stopping: Stop, drain_s: float) -> None:
    """Stop this process when its supervisor dies: a supervisor that was killed cannot stop it. It
    may finish its scan, and ends after ``drain_s`` seconds at the latest."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        stopping.request_stop()
        time.sleep(drain_s)
        os._exit(Exit.FORCED)

    threading.Thread(target=watch, name="parent", daemon=True).start()
