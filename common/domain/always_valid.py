"""The base of what analyzers return."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import ConfigDict

from common.domain.types import Frozen


class AlwaysValid(Frozen):
    """Base of the findings. Analyzers are plug-ins, so no way of making findings goes around the
    rules: a changed copy is validated, and so is an instance of a subclass that is used as one.
    """

    model_config = ConfigDict(revalidate_instances="subclass-instances")

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As pydantic's, but validates what is changed.

        Raises:
            ValidationError: the changed copy is not valid.
        """
        copied = super().model_copy(update=update, deep=deep)
        return type(self).model_validate(dict(copied)) if update else copied

    @classmethod
    def model_construct(cls, _fields_set: set[str] | None = None, **values: Any) -> Self:
        """As pydantic's, but validates.

        Raises:
            ValidationError: the values are not valid.
        """
        return cls.model_validate(values)
