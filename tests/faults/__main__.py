"""``make faults``: inject every fault, account for every scan, say what was found."""

import argparse
import signal
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.faults import families  # noqa: F401 - adds the faults
from tests.faults.options import OptionError, Options, options_from
from tests.faults.report import Report
from tests.faults.schedule import schedule
from tests.faults.worlds import Worlds


def main() -> int:
    """0: no violation; 1: some; 2: a variable is wrong, or there are arguments."""
    _parser().parse_args()
    # A world that is taken down leaves no process behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console = Console(width=None if sys.stdout.isatty() else 140)
    try:
        options = options_from()
        schedule(options)
    except OptionError as error:
        console.print(f"make faults: {error}", style="red", markup=False)
        return 2
    console.print(f"seed {options.seed}", highlight=False)
    report = Report(console, options.seed, command_of(options))
    began = time.monotonic()
    progress = Progress(
        TextColumn("{task.description:<60}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )
    with progress:
        worlds = Worlds(options, report, progress)
        number = 0
        while number == 0 or (
            options.minutes is not None and time.monotonic() - began < options.minutes * 60
        ):
            worlds.run(number)
            number += 1
    result = report.result(time.monotonic() - began)
    report.show(result)
    if options.faults_report is not None:
        report.write(result, Path(options.faults_report))
    return 0 if result.passed else 1


def _parser() -> argparse.ArgumentParser:
    """Takes no arguments, but shows the variables."""
    variables = (
        f"{name.upper():<15}{one.description}" for name, one in Options.model_fields.items()
    )
    return argparse.ArgumentParser(
        prog="make faults",
        usage="make faults [VARIABLE=value …]",
        description=__doc__,
        epilog="\n  ".join(["variables:", *variables]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def command_of(options: Options) -> str:
    """What a person types to have this run again."""
    words = ["make faults", f"SEED={options.seed}"]
    if options.minutes is not None:
        words.append(f"MINUTES={options.minutes:g}")
    if "kills" in options.model_fields_set:
        words.append(f"KILLS={options.kills}")
    if "load" in options.model_fields_set:
        words.append(f"LOAD={options.load:g}")
    if "worlds" in options.model_fields_set:
        words.append(f"WORLDS={options.worlds}")
    if options.sample < 1:
        words.append(f"SAMPLE={options.sample:g}")
    if options.long:
        words.append("LONG=1")
    if options.only:
        words.append(f"ONLY={','.join(options.only)}")
    return " ".join(words)


if __name__ == "__main__":
    sys.exit(main())
