"""Which analyzer reads which type of scan, of all that installed packages offer."""

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from pydantic import ValidationError

from common.domain.installed_analyzer import InstalledAnalyzer
from common.domain.report import AnalyzerId
from common.domain.validation_errors import explain
from common.errors import AnalysisError
from fr_brain.analyzers.base import Analyzer

GROUP = "fr_brain.analyzers"
"""The group of the entry points; each value is a class that takes no arguments."""


class Registry:
    """The analyzers in use, by scan type.

    Args:
        analyzers: pairs of the analyzer's origin (for messages) and the analyzer.

    Raises:
        AnalysisError: two analyzers read the same type of scan with the highest priority. A tie
            below the highest priority does not matter, because neither is used.
    """

    def __init__(self, analyzers: Iterable[tuple[str, Analyzer]]) -> None:
        best: dict[str, list[tuple[str, Analyzer]]] = {}
        self._all: dict[str, Analyzer] = {}
        for origin, analyzer in analyzers:
            self._all[f"{analyzer.name} {analyzer.version}"] = analyzer
            for scan_type in analyzer.scan_types:
                rivals = best.setdefault(scan_type, [])
                if rivals and analyzer.priority > rivals[0][1].priority:
                    rivals.clear()
                if not rivals or analyzer.priority == rivals[0][1].priority:
                    rivals.append((origin, analyzer))
        for scan_type, rivals in sorted(best.items()):
            if len(rivals) > 1:
                raise AnalysisError(
                    f"{' and '.join(sorted(name for name, _ in rivals))} read scan type "
                    f"{scan_type!r} with the same priority {rivals[0][1].priority}: uninstall one, "
                    "or give one a higher priority"
                )
        self._by_type = {scan_type: rivals[0][1] for scan_type, rivals in best.items()}

    @property
    def by_type(self) -> Mapping[str, Analyzer]:
        """The analyzer in use for each scan type."""
        return self._by_type

    @property
    def installed(self) -> tuple[InstalledAnalyzer, ...]:
        """All analyzers, also those that are in use for no type."""
        return tuple(
            InstalledAnalyzer(one.name, one.version, tuple(sorted(one.scan_types)))
            for one in self._all.values()
        )

    def chosen(self, named: str, scan_type: str) -> Analyzer | None:
        """The analyzer of this name and version (``'volume 5'``), whatever its priority; None if
        there is none that reads this type."""
        found = self._all.get(named)
        return found if found is not None and scan_type in found.scan_types else None

    def pick(self, scan_type: str) -> Analyzer:
        """The analyzer for scans of this type.

        Raises:
            AnalysisError: no analyzer reads it; the text names the types that are read.
        """
        try:
            return self._by_type[scan_type]
        except KeyError:
            known = ", ".join(sorted(self._by_type)) or "none"
            raise AnalysisError(
                f"no analyzer takes scans of type {scan_type!r}; known: {known}"
            ) from None


def load_analyzers() -> Registry:
    """Load each entry point of ``GROUP`` and create its analyzer.

    Raises:
        AnalysisError: an analyzer cannot be imported, created or used (the text names its
            package, the cause is chained), or two tie for a scan type.
    """
    points = sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value))
    return Registry([(_origin(point), _load(point)) for point in points])


def _origin(point: EntryPoint) -> str:
    package = point.dist.name if point.dist is not None else "an unknown package"
    return f"{point.name!r} of {package}"


def _load(point: EntryPoint) -> Analyzer:
    # Any exception: a foreign package may raise anything on import, and a brain that starts without
    # one of its analyzers would move the scans of that type to 'Error'.
    try:
        analyzer = cast("Analyzer", point.load()())
        AnalyzerId(name=analyzer.name, version=analyzer.version)
        fits = bool(analyzer.scan_types) and callable(analyzer.analyse)
        int(analyzer.priority)
    except ValidationError as error:
        raise AnalysisError(
            f"analyzer {_origin(point)} has a name or version that a report cannot store: "
            f"{explain(error)}"
        ) from error
    except Exception as error:
        raise AnalysisError(
            f"analyzer {_origin(point)} ({point.value}) cannot be loaded: "
            f"{type(error).__name__}: {error}"
        ) from error
    if not fits:
        raise AnalysisError(f"analyzer {_origin(point)} reads no scan type")
    return analyzer
