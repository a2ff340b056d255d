"""Reads the scans in uploaded files, as Fr-PACS does, and stores them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from common.audit.writer import AuditWriter
from common.domain.account import account_scan_id
from common.domain.volume_roles import VOLUME_ROLES
from common.errors import SourceError
from common.formats.reader import Reader
from common.scan_files.accounts import Origin
from common.scan_files.file_names import uncut
from common.scan_files.file_tasks import FailedTask, FileTask
from common.scan_files.files import FileSource
from common.settings.identity_keys import IdentityKeys
from common.store.documents import Added
from fr_hub.web.uploads.results import FileResult, Results
from fr_hub.web.uploads.storing import ScanWriter

DEFAULT_VOLUMES = ("anatomical", "unclassified")
"""As VOLUMES of Fr-PACS."""

_UNREADABLE = "the server cannot read it now: send it again"
_NO_ECG = "this is not an ECG: upload images with POST /api/v1/scans"
_REFUSED: dict[Added, str] = {
    Added.CONFLICT: "another scan with this id is stored",
    Added.ERASED: "this scan was erased on request: Fr does not store it again",
    Added.PURGED: "this scan was analysed, and retention has since removed it: Fr does not "
    "analyse the same image again",
}


@dataclass(frozen=True, slots=True)
class UploadReader:
    """How the files of one tenant's uploads become scans.

    Args:
        source: the name of the tenant's uploads.
        keys: of the ids and pseudonyms.
        reader: reads files.
        max_bytes: the largest volume.
        check: whether a scan may come in now; raises if not.
        added: called for each scan that was stored.
        account: the user's account that they go to, in the ids of the scans: then only ECGs are
            taken. Empty: they go to the tenant.
    """

    source: str
    keys: IdentityKeys
    reader: Reader
    max_bytes: int
    check: Callable[[], None]
    added: Callable[[], None]
    account: str = ""

    def store(
        self,
        root: Path,
        names: dict[str, str],
        writer: ScanWriter,
        audit: AuditWriter,
        *,
        all_volumes: bool = False,
    ) -> list[FileResult]:
        """Store the scans in a file, or in the files of a folder. When it returns, what it says is
        durable, and so is the audit trail of it. Repeatable: the same image is the same scan.

        Raises:
            StoreError: it is not known what is stored; repeat it.
            Full: not all are stored, and no more scan is taken now; repeat it later.
        """
        # A file that is sent alone is read as one that its user names: its label is its name.
        named = names if root.is_dir() else {root.name: next(iter(names.values()))}
        results = Results(named)
        try:
            source = FileSource(
                root,
                pacs=self.source,
                keys=self.keys,
                max_bytes=self.max_bytes,
                volumes=VOLUME_ROLES if all_volumes else DEFAULT_VOLUMES,
                reader=self.reader,
                may_be_empty=True,
            )
        except SourceError:  # its text names the folder
            results.refused([Origin(uncut(name)) for name in named], _UNREADABLE)
            return results.of_all()
        for task in source:
            if isinstance(task, FailedTask):
                results.refused(task.origins, str(task.error))
            elif isinstance(task, FileTask):
                self._store(task, writer, results)
        for skipped in source.skipped:
            results.skipped(skipped)
        audit.wait_durable()
        return results.of_all()

    def _store(self, task: FileTask, writer: ScanWriter, results: Results) -> None:
        origins = task.origins
        try:
            loaded = task.load()
        except SourceError as error:
            results.refused(origins, str(error))
            return
        if self.account:
            if loaded.scan.kind != "signal":
                results.refused(origins, _NO_ECG)
                return
            own = {"scan_id": account_scan_id(self.account, loaded.scan.scan_id)}
            loaded = replace(loaded, scan=loaded.scan.model_copy(update=own))
        self.check()
        outcome = writer.put(loaded)
        if outcome in _REFUSED:
            results.refused(origins, _REFUSED[outcome])
            return
        if outcome is Added.STORED:
            self.added()
        results.stored(origins, loaded.scan.key, known=outcome is Added.KNOWN)
