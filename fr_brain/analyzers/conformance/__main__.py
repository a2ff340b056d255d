"""``fr conformance``, ``python -m fr_brain.analyzers.conformance``."""

import sys

from fr_brain.analyzers.conformance.checks import main

if __name__ == "__main__":
    sys.exit(main())
