"""How long stateful tests run: ``HYPOTHESIS_PROFILE=long`` makes them longer, random and shrunk."""

import os

from hypothesis import HealthCheck, Phase, settings


def bounded(examples: int, steps: int) -> settings:
    """Settings of a state machine: the same runs each time, within seconds; or twenty times as
    many runs that nobody has seen before, whose failures are made small."""
    long = os.environ.get("HYPOTHESIS_PROFILE") == "long"
    return settings(
        max_examples=examples * (20 if long else 1),
        stateful_step_count=steps,
        derandomize=not long,
        deadline=None,
        database=None,
        print_blob=long,
        # To shrink a failure on a real MongoDB takes minutes.
        phases=[Phase.generate, Phase.shrink] if long else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
