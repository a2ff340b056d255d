"""The settings of Fr-BRAIN."""

import os

from pydantic import Field

from common.settings.base import StoreSettings


class BrainSettings(StoreSettings):
    """Fr-BRAIN: claims scans, analyses them, writes reports."""

    brain_processes: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        le=1024,
        description="number of processors (processes that analyse scans)",
    )
    brain_lease_s: float = Field(
        default=30.0,
        ge=1,
        le=600,
        description="length of a processor's claim on a scan, seconds; if the processor does not "
        "renew the claim in time, another one takes over",
    )
    brain_attempts: int = Field(
        default=5,
        ge=1,
        description="attempts to analyse a scan; when all fail, the scan moves to 'Error'. An "
        "attempt that a clean shutdown interrupts does not count",
    )
    brain_retry_pause_s: float = Field(
        default=1.0,
        ge=0,
        description="pause before the second attempt to analyse a scan, seconds; the pauses before "
        "later attempts are 5, 15, 45 and 120 times as long",
    )
    brain_batch: int = Field(
        default=500, ge=1, le=10_000, description="maximum number of scans to claim at once"
    )
    brain_poll_s: float = Field(
        default=2.0,
        gt=0,
        le=60,
        description="interval at which to look for scans if no notification arrives, seconds",
    )
    brain_time_limit_s: float = Field(
        default=300.0,
        gt=0,
        description="time limit for the analysis of one scan, seconds; Fr-BRAIN stops a longer "
        "analysis and counts it as a failed attempt",
    )
    brain_memory_mib: int | None = Field(
        default=None,
        ge=256,
        description="memory limit of each processor, MiB; if unset, an equal share of three "
        "quarters of the machine's memory",
    )
    brain_drain_s: float = Field(
        default=10.0,
        ge=0,
        description="time for a processor to finish its scan at shutdown, seconds",
    )
    brain_pictures: bool = Field(
        default=False,
        description="1: draw a picture for each new report and send it to Fr-PACS with the "
        "report; for earlier reports, make report ID=… draws one",
    )
    brain_label_maps: bool = Field(
        default=True,
        description="1: store the segmentations (label maps) of each report, such as lesions, "
        "brain, tissues and regions, if the analyzer makes them; about 0.4 MB for a head with "
        "voxels of 1 mm. The API serves them as NIfTI files",
    )
    brain_pair_t1: bool = Field(
        default=True,
        description="1: read each FLAIR scan together with the T1 scan of the same study, if "
        "there is one with label maps; one that arrives later makes a new revision of the FLAIR "
        "scan's report. 0: read each scan alone",
    )
    brain_compare_again: bool = Field(
        default=True,
        description="1: if the report on a subject's previous scan comes later than that on the "
        "next one, analyse the next one again, once, so that a new revision of its report compares "
        "the two. 0: compare each scan only with those that were analysed before it",
    )
