"""``fr``: one command for all units and commands, with their true exit codes.

The table below is the only list of them; the make targets call ``fr``. Each runs as a process of
its own in the place of this one (``exec``), so that ``fr`` imports none of them.
"""

import difflib
import os
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import NoReturn

USAGE = 2
"""Of ``common.runtime.lifecycle.Exit``, whose import would delay each start."""

SECRETS = frozenset({"MONGODB_URI", "SHARED_SECRET", "PACS_KEY"})
"""Settings that never come from the command line, which all users of the machine can read."""

_VARIABLE = re.compile(r"([A-Za-z][A-Za-z0-9_]*)=(.*)", re.DOTALL)


@dataclass(frozen=True)
class Command:
    """A line of ``fr --help``, and the module that it runs.

    Args:
        module: run as ``python -m module``.
        arguments: come before the user's own.
        positional: variables that the module takes as arguments, not from the environment.
    """

    help: str
    module: str
    arguments: tuple[str, ...] = ()
    positional: tuple[str, ...] = ()


COMMANDS: Mapping[str, Command] = {
    "all": Command(
        "run all units and the page on this machine, with an embedded MongoDB",
        "common.launcher.launcher",
    ),
    "hub": Command("run Fr-HUB: receive scans, deliver reports", "fr_hub"),
    "brain": Command("run Fr-BRAIN: analyse scans", "fr_brain"),
    "pacs": Command("run Fr-PACS: send scans, receive reports", "fr_pacs"),
    "web": Command("run the API and its page", "fr_hub.web"),
    "openapi": Command("print the OpenAPI document of the API", "fr_hub.web.commands.openapi"),
    "verify": Command("check the store for gaps and duplicates", "common.commands.verify"),
    "audit": Command(
        "verify the audit trail; SCAN=id: print a scan's history", "common.commands.audit"
    ),
    "audit-export": Command(
        "write old chains of the audit trail to a signed file: FILE=file DAYS=days",
        "common.commands.audit_export",
    ),
    "audit-prune": Command(
        "list the entries of the trail that are in FILE=archive; APPLY=1 removes them",
        "common.commands.audit_prune",
    ),
    "list": Command(
        "list the scans, the newest first: ID, STATE, PACS, SUBJECT, SINCE, LIMIT",
        "common.commands.scan_list",
    ),
    "errors": Command(
        "list the failed scans with their causes",
        "common.commands.failed_scans",
        ("list",),
    ),
    "requeue": Command(
        "analyse failed scans again: ID=scan,... or ALL=1",
        "common.commands.failed_scans",
        ("requeue",),
    ),
    "undelivered": Command(
        "list the reports that could not be delivered, with their causes",
        "common.commands.undelivered",
        ("list",),
    ),
    "redeliver": Command(
        "send undelivered reports again: ID=scan,... or ALL=1",
        "common.commands.undelivered",
        ("redeliver",),
    ),
    "reanalyze": Command(
        "analyse scans again: those whose report is by another analyzer or version, or in ID",
        "fr_brain.commands.reanalyze",
    ),
    "report": Command(
        "write reports as JSON, text and picture: ID=scan,... OUT=folder",
        "fr_brain.commands.report",
    ),
    "retention": Command(
        "list data older than RETENTION_DAYS; APPLY=1 deletes it", "common.commands.retention"
    ),
    "erase": Command(
        "list scans to erase: ID=scan,... or SUBJECT=pseudonym; APPLY=1 erases them",
        "common.commands.erase",
    ),
    "users": Command(
        "list the users of the API; USER_ADD, USER_RESET or USER_REMOVE=name changes one",
        "fr_hub.web.commands.users",
    ),
    "certs": Command(
        "create a private certificate authority and the units' TLS certificates",
        "common.commands.certificates",
    ),
    "migrate": Command(
        "list how the database differs from this release's schema; APPLY=1 migrates it",
        "common.commands.migrate",
    ),
    "pacs-key": Command("print the key of a Fr-PACS: PACS_NAME=name", "common.commands.pacs_key"),
    "pseudonym": Command(
        "print the pseudonyms of identifiers on standard input: PACS_NAME=name",
        "fr_pacs.commands.pseudonym",
    ),
    "roles": Command("create a MongoDB user for each unit", "common.commands.roles"),
    "schema": Command("print the JSON schema of a report", "common.commands.schema"),
    "conformance": Command(
        "check an analyzer: NAME=entry point or module:Class",
        "fr_brain.analyzers.conformance",
        positional=("NAME",),
    ),
}


RENAMED: Mapping[str, str] = {"failed": "errors"}
"""Commands by their old names, which are still accepted."""


class _UsageError(Exception):
    """The command line is wrong; the text says how."""


def usage() -> str:
    """``fr --help``."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.help}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: fr COMMAND [SETTING=value ...] [--option value ...]",
            "",
            *lines,
            "",
            "Settings come from the command line (fr all SCANS=20 or fr all --scans 20), from the",
            "environment, or from .env. `fr COMMAND --help` lists them.",
            "",
            "exit codes: 0 success; 1 a scan failed, a check found a gap, or SOURCE, MongoDB or",
            "Fr-HUB could not be used; 2 wrong setting or command line; 3 a port or folder is in",
            "use; 4 MongoDB refuses the login, the embedded one cannot start, a newer release has",
            "migrated the database, or a check could not read the store; 130 a second signal",
            "stopped it immediately",
        ]
    )


def plan(name: str, given: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The arguments of ``python`` that run a command, and its additions to the environment.

    Raises:
        _UsageError: there is no such command or setting, or ``given`` holds a secret.
    """
    name = RENAMED.get(name, name)
    command = COMMANDS.get(name)
    if command is None:
        raise _UsageError(f"no command {name!r}; `fr --help` lists them")
    variables: dict[str, str] = {}
    options: list[str] = []
    for argument in given:
        found = _VARIABLE.fullmatch(argument)
        if found is None:
            options.append(argument)
            continue
        setting, value = found.groups()
        if (secret := setting.upper()) in SECRETS:  # settings are read in any letter case
            raise _UsageError(
                f"{secret}: the command line is visible to all users of this machine; set it in "
                f"the environment or .env, or name its file in {secret}_FILE"
            )
        if setting not in (*command.positional, *(known := _known_settings())):
            near = _nearest(setting, _settings_of(name)) or _nearest(setting, known)
            meant = f" (did you mean {near}?)" if near else f"; `fr {name} --help` lists them"
            raise _UsageError(f"no setting {setting}{meant}")
        variables[setting] = value
    positional = [variables.pop(n) for n in command.positional if variables.get(n)]
    return ["-m", command.module, *command.arguments, *options, *positional], variables


def _known_settings() -> frozenset[str]:
    # Imported only here: without settings on its command line, ``fr`` starts without them.
    from common.settings.names import RENAMED as OLD_NAMES
    from common.settings.reference import settings

    return frozenset({name for name, *_ in settings()} | OLD_NAMES)


def _settings_of(command: str) -> set[str]:
    from common.settings.reference import names_for

    return names_for(command)


def _nearest(setting: str, known: Collection[str]) -> str | None:
    return next(iter(difflib.get_close_matches(setting.upper(), known, n=1)), None)


def main() -> NoReturn:
    """Become the command that the command line names."""
    name, *given = sys.argv[1:] or ["--help"]
    if name in ("--help", "-h", "help"):
        sys.stdout.write(usage() + "\n")
        sys.exit(0)
    if name == "--version":
        sys.stdout.write(f"fr {version('fr')}\n")
        sys.exit(0)
    try:
        arguments, variables = plan(name, given)
    except _UsageError as error:
        sys.stderr.write(f"fr: {error}\n")
        sys.exit(USAGE)
    environment = {**os.environ, **variables, "FR_GIVEN": " ".join(variables)}
    os.execve(sys.executable, [sys.executable, *arguments], environment)  # noqa: S606


if __name__ == "__main__":
    main()
