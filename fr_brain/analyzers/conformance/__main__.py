"""``fr conformance [NAME ...]``: check that analyzers keep the rules."""

import argparse
import sys
from importlib.metadata import entry_points

from common.domain.foreign_text import escape
from fr_brain.analyzers.conformance.checks import NotConforming, check_analyzer
from fr_brain.analyzers.registry import GROUP


def main() -> int:
    """Check the analyzers that the command line names, or all installed ones.

    Returns:
        The exit code: 0 if all conform, 1 if one does not, 2 if one is not installed.
    """
    parser = argparse.ArgumentParser(
        prog="fr conformance", description="Check that analyzers follow the rules for analyzers."
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="entry point or module:Class; without one, every installed analyzer",
    )
    names = parser.parse_args().names or sorted(p.name for p in entry_points(group=GROUP))
    failed = 0
    for name in names:
        try:
            count = check_analyzer(name)
        except NotConforming as error:
            failed = 1
            _complain(str(error))
        except LookupError as error:
            _complain(str(error.args[0]))
            return 2
        else:
            print(f"{name}: {count} images read, no violation")  # noqa: T201
    return failed


def _complain(text: str) -> None:
    # An analyzer's text: escaped, but its lines stay.
    for line in text.splitlines():
        print(escape(line), file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
