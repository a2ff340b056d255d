"""What plug-ins import from here, as before the models moved to ``common.domain``."""

from common.domain.models import *  # noqa: F403
