"""The names of the settings, in capitals."""

from pydantic import AliasChoices

from common.settings.base import Settings


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
