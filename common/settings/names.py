"""The names of the settings, in capitals."""

import inspect

from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from common.settings.base import INTERNAL, Settings

RENAMED = frozenset({"STRANGERS"})
"""Settings by their old names, which are still accepted."""


def name_of(name: str, field: FieldInfo) -> str:
    """The name of the setting that a field reads."""
    alias = field.validation_alias
    return (alias if isinstance(alias, str) else name).upper()


def an_own_name(kind: type[Settings]) -> str:
    """A setting of a kind that few other kinds have, for an example."""
    own = [name for name in inspect.get_annotations(kind) if name in kind.model_fields]
    name = next(iter(own or set(kind.model_fields) - INTERNAL), "log_level")
    return name_of(name, kind.model_fields[name])


def names_of(kind: type[Settings]) -> set[str]:
    """The names of the settings of a kind, with those that it still accepts."""
    names: set[str] = set()
    for name, field in kind.model_fields.items():
        alias = field.validation_alias
        accepted = alias.choices if isinstance(alias, AliasChoices) else [alias or name]
        names.update(str(one).upper() for one in accepted)
    return names


def every_name() -> set[str]:
    """The names that any program reads, which takes some 0.2 s."""
    # A unit imports only its own settings at its start, as few users have a misspelt name.
    from common.settings import brain, commands, hub, launch, pacs, users, web

    modules = (brain, commands, hub, launch, pacs, users, web)
    kinds = (one for module in modules for one in vars(module).values())
    return set().union(
        *(names_of(kind) for kind in kinds if isinstance(kind, type) and issubclass(kind, Settings))
    )


def unit_names() -> set[str]:
    """The names that a unit or the launcher reads."""
    from common.settings.launch import LaunchSettings

    return names_of(LaunchSettings)
