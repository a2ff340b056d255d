"""The reference of the settings: ``make settings`` writes ``.env.example`` and the tables in
``common/settings/README.md``. A test checks that both are current."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

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
from common.settings.defaults import default_text, is_fixed
from common.settings.hub import HubSettings
from common.settings.launch import LaunchSettings
from common.settings.names import name_of, names_of
from common.settings.pacs import PacsSettings
from common.settings.users import UsersSettings
from common.settings.web import WebSettings

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
_OF_FR: dict[str, type[Settings]] = {
    "all": LaunchSettings,
    "hub": HubSettings,
    "brain": BrainSettings,
    "pacs": PacsSettings,
    "web": WebSettings,
    **_COMMANDS,
}


class Setting(NamedTuple):
    """A setting as the documents list it.

    Args:
        default: with the readers, if it is not the same for all.
        meaning: a line, or one for each group of readers if it means different things to them.
        value: the default, as one would set it; empty if that is not one value.
    """

    name: str
    readers: str
    default: str
    meaning: str
    value: str


def settings() -> Iterator[Setting]:
    """Yield each setting."""
    readers: list[tuple[str, type[Settings]]] = [
        *_UNITS,
        ("all", LaunchSettings),
        *_COMMANDS.items(),
    ]
    names = (name for _, kind in readers for name in kind.model_fields)
    for name in dict.fromkeys(names):
        if name not in INTERNAL:
            kinds = [(reader, kind) for reader, kind in readers if name in kind.model_fields]
            yield _setting(name, kinds)


def _setting(name: str, kinds: list[tuple[str, type[Settings]]]) -> Setting:
    shown = [reader for reader, _ in kinds if reader != "all"]
    if name in StoreSettings.model_fields:
        shown = [unit for unit, _ in _UNITS if unit in shown]
    defaults: dict[str, list[str]] = {}
    meanings: dict[str, list[str]] = {}
    for reader, kind in kinds:
        if reader in shown or not shown:
            field = kind.model_fields[name]
            defaults.setdefault(default_text(name, field), []).append(reader)
            meanings.setdefault(field.description or "", []).append(reader)
    [default, *others] = defaults
    return Setting(
        name_of(name, kinds[0][1].model_fields[name]),
        ", ".join(shown) or "all",
        ", ".join(_each(defaults, "{0} ({1})")) if others else default,
        "\n".join(_each(meanings, "({1}) {0}")) if len(meanings) > 1 else next(iter(meanings)),
        default if is_fixed(name) and not others else "",
    )


def _each(texts: dict[str, list[str]], form: str) -> Iterator[str]:
    return (form.format(text, ", ".join(readers)) for text, readers in texts.items())


def names_for(command: str) -> set[str]:
    """The settings of a command of ``fr``; empty if it has none."""
    kind = _OF_FR.get(command)
    return names_of(kind) if kind is not None else set()


def as_env() -> str:
    """The text of ``.env.example``: each setting with its description, commented out."""
    blocks = ["# Copy this file to .env, and uncomment the settings you want to change.\n"]
    for name, units, default, meaning, value in settings():
        meaning = meaning.replace("\n", "\n# ")
        blocks.append(f"# {meaning}\n# ({units}; default: {default or 'none'})\n#{name}={value}\n")
    return "\n".join(blocks)


def as_tables() -> str:
    """The Markdown tables of the settings, one under a heading for each group."""
    lines = []
    for section, rows in groupby(settings(), key=_section):
        lines += [f"### {section}", ""]
        lines += ["| setting | read by | default | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{row.name}` | {row.readers} | {f'`{row.default}`' if row.default else 'none'} "
            f"| {row.meaning.replace(chr(10), '<br>')} |"
            for row in rows
        ]
        lines.append("")
    return "\n".join(lines)


def with_tables(document: str) -> str:
    """Replace the tables in the document by current ones."""
    before, _, rest = document.partition(_BEGIN)
    return f"{before}{_BEGIN}\n{as_tables()}\n{_END}{rest.partition(_END)[2]}"


def _section(setting: Setting) -> str:
    name = setting.name.lower()
    return next((title for title, kind in _SECTIONS if name in kind.model_fields), "Commands")


def main() -> None:
    """Write both files; run it in the root of the repository."""
    Path(".env.example").write_text(as_env(), encoding="utf-8")
    readme = Path("common/settings/README.md")
    readme.write_text(with_tables(readme.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
