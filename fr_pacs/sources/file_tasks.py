"""Of ``common.scan_files.file_tasks``, as the sources use it."""

from common.scan_files.file_tasks import FailedTask as FailedTask
