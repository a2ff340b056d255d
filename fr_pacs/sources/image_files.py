"""Of ``common.scan_files.image_files``, as the sources use it."""

from common.scan_files.image_files import Found as Found
from common.scan_files.image_files import ImageFiles as ImageFiles
from common.scan_files.image_files import ReadOptions as ReadOptions
from common.scan_files.image_files import Unread as Unread
from common.scan_files.image_files import UnreadFiles as UnreadFiles
from common.scan_files.image_files import read_ahead as read_ahead
