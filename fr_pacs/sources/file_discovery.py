"""Of ``common.scan_files.file_discovery``, as the sources use it."""

from common.scan_files.file_discovery import LEADS_OUT as LEADS_OUT
from common.scan_files.file_discovery import UNLISTABLE as UNLISTABLE
from common.scan_files.file_discovery import KnownByName as KnownByName
from common.scan_files.file_discovery import check_regular as check_regular
from common.scan_files.file_discovery import walk_files as walk_files
