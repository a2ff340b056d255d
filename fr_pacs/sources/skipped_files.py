"""Of ``common.scan_files.skipped_files``, as the sources use it."""

from common.scan_files.skipped_files import SkippedFiles as SkippedFiles
from common.scan_files.skipped_files import Watches as Watches
