"""ECGs of users' accounts, as the API shows them."""

from datetime import datetime
from typing import Self

from common.domain.account import ecg_id_of
from common.domain.ecg_findings import EcgFindings
from common.domain.finding_kinds import AnyFindings
from common.domain.findings import Verdict
from common.domain.report import AnalyzerId, BrainReport
from common.store.scan_facts import ScanFacts
from fr_hub.web.models import Answer, KnownState, ListAnswer, known_state, one_of
from fr_hub.web.uploads.messages import FileOutcome, outcome_of
from fr_hub.web.uploads.results import FileResult


class EcgFile(FileOutcome):
    """The outcome for a file; ``scans`` are the ids of its ECGs."""


class StoredEcg(Answer):
    """The ECGs of a request. They are durable."""

    id: str
    """Id of the ECG; of several, the first one's."""
    ids: list[str]
    files: list[EcgFile]

    @classmethod
    def of(cls, results: list[FileResult]) -> Self | None:
        """What the client gets; None if nothing is stored."""
        files = [
            EcgFile(**{**dict(outcome_of(one)), "scans": [ecg_id_of(key) for key in one.scans]})
            for one in results
        ]
        ids = list(dict.fromkeys(ecg_id for file in files for ecg_id in file.scans))
        return cls(id=ids[0], ids=ids, files=files) if ids else None


class EcgData(Answer):
    """An ECG. Unknown values are null."""

    id: str
    state: KnownState
    received_at: datetime | None
    sampling_rate_hz: float | None
    leads: tuple[str, ...]
    units: str | None
    """Of the samples."""
    samples: int | None
    """Of each lead."""
    duration_s: float | None
    analyzer: str | None
    """Name and version of the analyzer that made the report."""
    verdict: Verdict | None
    """Whether the recording is good enough for the analysis."""
    heart_rate_bpm: float | None
    """Beats per minute; null if unknown, or if the recording does not allow measuring it."""
    cause: str | None
    """Why the analysis failed, for good or at its last attempt."""

    @classmethod
    def of(cls, facts: ScanFacts) -> Self:
        """The ECG of a scan."""
        header = facts.header
        signal = None if header is None else header.signal
        samples = None if header is None else header.shape[0]
        return cls(
            id=ecg_id_of(facts.listed.key),
            state=known_state(facts.listed.state),
            received_at=facts.listed.received_at,
            sampling_rate_hz=None if signal is None else signal.sampling_rate_hz,
            leads=() if signal is None else signal.leads,
            units=None if signal is None else signal.units,
            samples=samples,
            duration_s=None if signal is None else signal.duration_s(samples or 0),
            analyzer=facts.listed.analyzer,
            verdict=one_of(Verdict, facts.listed.verdict),
            heart_rate_bpm=facts.heart_rate_bpm,
            cause=facts.listed.cause,
        )


class EcgPage(ListAnswer):
    """A page of ECGs, the newest first."""

    items: list[EcgData]


class LeadInsights(Answer):
    """What was counted in one lead."""

    name: str
    zero_crossings: int | None
    """null: no sample is a number."""


class Insights(Answer):
    """What was found in an ECG."""

    id: str
    leads: list[LeadInsights]
    findings: AnyFindings
    """All that the analyzer found, as in the report."""
    analyzer: AnalyzerId
    """Name and version; another version may find something else."""
    analysed_at: datetime
    revision: int

    @classmethod
    def of(cls, key: str, report: BrainReport) -> Self:
        """The insights in a report."""
        found = report.findings
        crossings = found.crossings if isinstance(found, EcgFindings) else ()
        return cls(
            id=ecg_id_of(key),
            leads=[
                LeadInsights(name=one.lead, zero_crossings=one.zero_crossings) for one in crossings
            ],
            findings=found,
            analyzer=report.analyzer,
            analysed_at=report.analysed_at,
            revision=report.revision,
        )
