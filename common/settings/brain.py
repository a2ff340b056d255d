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
        description="processors at once; by default one per core",
    )
    brain_lease_s: float = Field(
        default=30.0, ge=1, description="a claim not renewed for so long is anyone's, seconds"
    )
    brain_attempts: int = Field(
        default=5, ge=1, description="claims of a scan before it is set aside as 'Error'"
    )
    brain_batch: int = Field(
        default=500, ge=1, le=10_000, description="scans claimed at once, at most"
    )
    brain_poll_s: float = Field(
        default=2.0, gt=0, le=60, description="how often to look for scans without a wake-up, s"
    )
    brain_time_limit_s: float = Field(
        default=300.0, gt=0, description="longest analysis of a scan; then it is stopped, seconds"
    )
    brain_memory_mib: int | None = Field(
        default=None,
        ge=256,
        description="most memory of a processor, MiB; "
        "none: an equal share of three quarters of this machine's",
    )
    brain_drain_s: float = Field(
        default=10.0, ge=0, description="how long a processor may finish its scan when stopped, s"
    )
    brain_pictures: bool = Field(
        default=False,
        description="1: make a picture for each report, which goes to Fr-PACS with it",
    )
