"""The reference of the settings: ``make settings`` writes ``.env.example`` and the tables in
``common/settings/README.md``. A test checks that both are current."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from common.settings.base import (
    INTERNAL,
    IntakeSettings,
    KeepSettings,
    MachineSettings,
    Settings,
    StoreSettings,
    WireSettings,
)
from common.settings.brain import BrainSettings
from common.settings.commands import (
    AuditExportSettings,
    AuditPruneSettings,
    AuditSettings,
    CertSettings,
    EraseSettings,
    ErrorsSettings,
    ListSettings,
    MigrateSettings,
    PacsKeySettings,
    PseudonymSettings,
    ReanalyzeSettings,
    RedeliverSettings,
    ReportSettings,
    RequeueSettings,
    RetentionSettings,
    RoleSettings,
    UndeliveredSettings,
    VerifySettings,
)
from common.settings.hub import HubSettings
from common.settings.launch import LaunchSettings
from common.settings.pacs import PacsSettings
from common.settings.users import UsersSettings
from common.settings.web import WebSettings

RENAMED = frozenset({"STRANGERS"})
"""Settings by their old names, which are still accepted."""
_UNITS = (
    ("Fr-HUB", HubSettings),
    ("Fr-BRAIN", BrainSettings),
    ("Fr-PACS", PacsSettings),
    ("API", WebSettings),
)
_COMMANDS: dict[str, type[Settings]] = {
    "verify": VerifySettings,
    "audit": AuditSettings,
    "audit-export": AuditExportSettings,
    "audit-prune": AuditPruneSettings,
    "list": ListSettings,
    "errors": ErrorsSettings,
    "requeue": RequeueSettings,
    "undelivered": UndeliveredSettings,
    "redeliver": RedeliverSettings,
    "retention": RetentionSettings,
    "erase": EraseSettings,
    "certs": CertSettings,
    "roles": RoleSettings,
    "migrate": MigrateSettings,
    "pacs-key": PacsKeySettings,
    "pseudonym": PseudonymSettings,
    "report": ReportSettings,
    "reanalyze": ReanalyzeSettings,
    "users": UsersSettings,
}
_SECTIONS: tuple[tuple[str, type[Settings]], ...] = (
    ("Every unit", Settings),
    ("This machine", MachineSettings),
    ("Connections between units", WireSettings),
    ("Database", StoreSettings),
    ("Retention", KeepSettings),
    ("Accepting scans", IntakeSettings),
    *_UNITS,
)
_BEGIN, _END = "<!-- tables -->\n", "<!-- end of tables -->\n"
_NOT_FIXED = {"brain_processes": "one per core"}


def settings() -> Iterator[tuple[str, str, str, str]]:
    """Yield name, readers, default and description of each setting."""
    units_kinds = (kind for _, kind in _UNITS)
    kinds: list[type[Settings]] = [*units_kinds, LaunchSettings, *_COMMANDS.values()]
    fields = {name: field for kind in kinds for name, field in kind.model_fields.items()}
    for name, field in fields.items():
        if name in INTERNAL:
            continue
        units = [unit for unit, kind in _UNITS if name in kind.model_fields]
        if name not in StoreSettings.model_fields:
            units += [word for word, kind in _COMMANDS.items() if name in kind.model_fields]
        variable = field.validation_alias if isinstance(field.validation_alias, str) else name
        default = _NOT_FIXED.get(name) or _as_text(field.default)
        yield variable.upper(), ", ".join(units) or "all", default, field.description or ""


def as_env() -> str:
    """The text of ``.env.example``: each setting with its description, commented out."""
    blocks = ["# Copy this file to .env, and uncomment the settings you want to change.\n"]
    for name, units, default, meaning in settings():
        value = "" if name in map(str.upper, _NOT_FIXED) else default
        blocks.append(f"# {meaning}\n# ({units}; default: {default or 'none'})\n#{name}={value}\n")
    return "\n".join(blocks)


def as_tables() -> str:
    """The Markdown tables of the settings, one under a heading for each group."""
    lines = []
    for section, rows in groupby(settings(), key=_section):
        lines += [f"### {section}", ""]
        lines += ["| setting | read by | default | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{name}` | {units} | {f'`{default}`' if default else 'none'} | {meaning} |"
            for name, units, default, meaning in rows
        ]
        lines.append("")
    return "\n".join(lines)


def with_tables(document: str) -> str:
    """Replace the tables in the document by current ones."""
    before, _, rest = document.partition(_BEGIN)
    return f"{before}{_BEGIN}\n{as_tables()}\n{_END}{rest.partition(_END)[2]}"


def _section(setting: tuple[str, str, str, str]) -> str:
    name = setting[0].lower()
    return next((title for title, kind in _SECTIONS if name in kind.model_fields), "Commands")


def _as_text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, frozenset):
        return ",".join(sorted(value))
    if isinstance(value, dict):
        return ",".join(f"{name}={host}:{port}" for name, (host, port) in value.items())
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return f"{value:g}"
    return value.as_posix() if isinstance(value, Path) else "" if value is None else str(value)


def main() -> None:
    """Write both files; run it in the root of the repository."""
    Path(".env.example").write_text(as_env(), encoding="utf-8")
    readme = Path("common/settings/README.md")
    readme.write_text(with_tables(readme.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
