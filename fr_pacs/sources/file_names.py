"""Of ``common.scan_files.file_names``, as the sources use it."""

from common.scan_files.file_names import FileNames as FileNames
