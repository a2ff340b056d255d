"""Fr-PACS as a whole: a source, client threads, the report server, and the totals of the run."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from common.errors import FrError, SourceError
from common.runtime.console import unit_console
from common.runtime.lifecycle import Exit, Stop
from common.runtime.logger import AvailabilityLog, Log, RateLimitedLog, get_log
from common.runtime.run_totals import Totals, progress_bar
from common.scan_files.file_names import FileNames
from common.scan_files.own_files import OwnFiles
from common.scan_files.skipped_files import Skips, Watches
from common.settings.identity_keys import KEEP_KEYS, IdentityKeys, identity_keys
from common.settings.pacs import PacsSettings
from common.wire.constants import FEATURES, LABEL_MAPS
from common.wire.policy_from_settings import policy_from_settings, warn_of_dangers
from fr_pacs.client import ScanClient
from fr_pacs.ledger import Ledger, LedgerError
from fr_pacs.rate_limit import RateLimitedSource
from fr_pacs.run_counts import RunCounter
from fr_pacs.run_labels import KEPT
from fr_pacs.server import ReportServer
from fr_pacs.sources.base import Remembers, Source
from fr_pacs.sources.ecg.source import EcgSource
from fr_pacs.sources.grid import GridSource
from fr_pacs.sources.phantom.source import PhantomSource, Recipe

PATIENCE_S = 10.0
"""Units start in any order: a Fr-HUB that does not listen yet is no warning before this time."""

FAILURES_A_SECOND = 1000
"""Most failures that are logged in a second: they are of our own files, and each must be named."""

_TICK_S = 0.2
_ENDLESS_TICK_S = 1.0


def make_source(
    settings: PacsSettings,
    names: FileNames | None = None,
    log: Log | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Source:
    """Make the source that the settings name.

    Args:
        settings: of this Fr-PACS.
        names: makes the labels of files.
        log: where keys that were made are told.
        stopping: whether to leave off while the headers of files are read.

    Raises:
        Stopped: it left off.
        SourceError: SOURCE does not exist, or holds no image.
        SettingsError: the keys of ids and pseudonyms cannot be read or made.
    """
    if settings.source is not None:
        # Imported here because the DICOM and NIfTI readers add a quarter of a second to each start.
        from common.scan_files.file_discovery import check_root
        from common.scan_files.file_names import without_detours
        from common.scan_files.files import FileSource

        root = without_detours(settings.source)
        check_root(root, names or FileNames())  # first: a wrong path leaves no keys behind
        keys = identity_keys(settings)
        log = log or get_log()
        if keys.made:
            files = ", ".join(map(str, keys.made))
            log.info(f"created key files: {KEEP_KEYS}", files=files)
        if settings.watch:
            return _watched_folder(settings, keys, names or FileNames(), log)
        return FileSource(
            root,
            pacs=settings.pacs_name,
            keys=keys,
            names=names,
            follow_links=settings.follow_links,
            volumes=settings.wanted_volumes,
            own=own_files(settings, settings.source),
            stopping=stopping,
        )
    name, scans, seed = settings.pacs_name, settings.scans, settings.seed
    if settings.kind == "grid":
        return GridSource(name, scans, seed, settings.grid_shape, settings.run_name)
    if settings.kind == "ecg":
        return EcgSource(name, scans, seed, settings.ecg_shape, settings.run_name)
    recipe = Recipe(contrast=settings.contrast, background=settings.background)
    return PhantomSource(name, scans, seed, settings.phantom_shape, recipe, settings.run_name)


def _watched_folder(
    settings: PacsSettings, keys: IdentityKeys, names: FileNames, log: Log
) -> Source:
    from common.scan_files.file_names import without_detours
    from common.scan_files.image_files import ReadOptions
    from fr_pacs.sources.watching.sent_index import NAME
    from fr_pacs.sources.watching.source import WatchedFolder

    assert settings.source is not None  # noqa: S101 - the settings have checked it
    return WatchedFolder(
        without_detours(settings.source),
        ReadOptions(settings.pacs_name, keys, volumes=settings.wanted_volumes),
        names,
        settings.data_dir.expanduser() / settings.pacs_name / NAME,
        log,
        follow_links=settings.follow_links,
        quiet_s=settings.watch_quiet_s,
        poll_s=settings.watch_poll_s,
        own=own_files(settings, settings.source.absolute()),
    )


def own_files(settings: PacsSettings, root: Path) -> OwnFiles:
    """What this Fr-PACS writes, which may be in SOURCE."""
    others = (settings.ledger, settings.summary, settings.data_dir.expanduser())
    return OwnFiles(root, settings.reports, [path for path in others if path is not None])


def wanted_features(settings: PacsSettings) -> tuple[str, ...]:
    """What this Fr-PACS understands and wants beyond the protocol's version."""
    return tuple(one for one in FEATURES if one != LABEL_MAPS or settings.label_maps)


def run_pacs(settings: PacsSettings, stopping: Stop, log: Log) -> int:
    """Stream until the source is exhausted and each report has arrived, or until stopped.

    The order at the end: the client threads finish first, then the report server acknowledges the
    reports that it is writing and takes no more, then missing reports count as failed, and a
    watched folder names the last files that it skips. All of that is in the index of the reports
    when that is closed.

    Returns:
        The exit code (``Exit``).

    Raises:
        FrError: a setting, the port or the source is wrong, or Fr-HUB refuses this unit.
    """
    policy = policy_from_settings(settings, settings.pacs_name, wanted_features(settings))
    warn_of_dangers(settings, policy, log)
    # A watched folder never ends, and its early files have their reports.
    names = FileNames(hashed=settings.labels == "hash", kept=KEPT if settings.watch else None)
    try:
        unlimited = make_source(settings, names, log, stopping.stop.is_set)
    except SourceError as error:
        if not stopping.stop.is_set():
            raise
        log.info("stopped before the end", reason=str(error))
        return Exit.OK  # nothing was sent, and it was asked to stop
    source = RateLimitedSource(unlimited, settings.scans, settings.pace)
    if settings.sends_nothing:
        log.info("sending nothing (SCANS=0), receiving reports")
    elif settings.source is not None and source.total is not None:
        log.info("found scans to send", scans=source.total)
    ledger = Ledger(settings.ledger, settings.pacs_name)
    limited_log = RateLimitedLog(log)
    failures_log = RateLimitedLog(log, FAILURES_A_SECOND)
    total = None if settings.sends_nothing else source.total
    counter = RunCounter(total, ledger, limited_log, names.reveal, names.conceal, failures_log)
    if isinstance(unlimited, Skips):
        counter.skipped(unlimited.skipped)
    if isinstance(unlimited, Remembers):
        counter.remember(unlimited)
    server = ReportServer(settings, counter, log, policy)
    server.begin(unlimited)
    if isinstance(unlimited, Watches):
        stopping.on_stop(unlimited.stop)
        unlimited.start(counter.skipped, counter.found)
    fatal: list[Exception] = []

    def stop_with(error: Exception) -> None:
        fatal.append(error)
        stopping.request_stop()

    availability = AvailabilityLog(log, "Fr-HUB", patience_s=PATIENCE_S, announce=True)
    clients = [
        ScanClient(settings, source, counter, availability, stopping.stop, stop_with, policy)
        for _ in range(settings.threads)
    ]
    threads = [
        threading.Thread(target=client.run, name=f"client-{n}")
        for n, client in enumerate(clients, 1)
    ]
    with _progress(settings) as show:
        for thread in threads:
            thread.start()
        _watch(settings, counter, threads, stopping, show)
        for thread in threads:
            thread.join()
        server.stop_listening()
        try:
            if not stopping.stop.is_set() and (missing := counter.fail_awaited()):
                log.error("reports missing", scans=missing)
            if isinstance(unlimited, Watches):
                unlimited.close()
        finally:
            server.close()
        limited_log.flush()
        failures_log.flush()
        if stopping.stop.is_set() and not fatal and any(counter.open().values()):
            log.info("stopped before the end", **counter.open())
        ledger.close()
        totals = counter.totals()
        show(totals)
    if settings.progress_fd is None:
        totals.show(unit_console(), settings.reports)
        if settings.summary is not None:
            totals.write(settings.summary)
    if fatal:
        if isinstance(fatal[0], FrError):
            raise fatal[0]
        if isinstance(fatal[0], LedgerError):
            raise FrError(
                f"LEDGER cannot be written ({fatal[0].strerror}): free space and start again; "
                "Fr-HUB keeps what it has acknowledged"
            )
        raise RuntimeError("a client thread failed") from fatal[0]
    if stopping.stop.is_set():
        # It was asked to stop, so an incomplete run is no failure.
        return Exit.FAILED if totals.failed and settings.finite else Exit.OK
    return Exit.OK if totals.complete else Exit.FAILED


def _watch(
    settings: PacsSettings,
    counter: RunCounter,
    threads: list[threading.Thread],
    stopping: Stop,
    show: Callable[[Totals], None],
) -> None:
    """Show progress until the run is done, stopped, or no report came for REPORT_PATIENCE_S."""
    progress, since = -1, time.monotonic()
    while not stopping.stop.is_set():
        if settings.sends_nothing:
            stopping.stop.wait()
            return
        if not any(thread.is_alive() for thread in threads):
            counter.exhausted()
        if counter.wait(_TICK_S if settings.finite else _ENDLESS_TICK_S):
            if settings.reported_fd is not None and settings.hold_fd is not None:
                _receive_revisions(settings.reported_fd, settings.hold_fd, stopping)
            return
        totals = counter.totals(with_latency=False)
        show(totals)
        done = totals.acknowledged + totals.delivered
        if done != progress or any(thread.is_alive() for thread in threads):
            progress, since = done, time.monotonic()
        elif time.monotonic() - since > settings.report_patience_s:
            return


def _receive_revisions(reported_fd: int, hold_fd: int, stopping: Stop) -> None:
    """Receive reports until the launcher, which looks into the store, expects no later revisions
    any more."""
    with open(reported_fd, "wb", buffering=0) as reported, contextlib.suppress(BrokenPipeError):
        reported.write(b"\n")
    os.set_blocking(hold_fd, False)
    with open(hold_fd, "rb", buffering=0) as hold:
        while hold.read(1) is None and not stopping.stop.wait(_TICK_S):
            pass  # it is open, and says nothing


@contextlib.contextmanager
def _progress(settings: PacsSettings) -> Iterator[Callable[[Totals], None]]:
    """Where to show the totals: to the launcher, on a progress bar, or nowhere."""
    if settings.progress_fd is not None:
        with os.fdopen(settings.progress_fd, "w", encoding="utf-8") as pipe:

            def write(totals: Totals) -> None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.write(totals.model_dump_json() + "\n")
                    pipe.flush()

            yield write
        return
    console = unit_console()
    if settings.finite and console.is_terminal:
        with progress_bar(console) as bar:
            yield bar.update
    else:
        yield lambda _: None
