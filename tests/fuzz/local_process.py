"""What stands for a reader process in the fuzz targets: it reads in this process, where atheris
sees which branches an input takes, and where a finding is an exception."""

import json
from typing import Any

from common.errors import SourceError
from common.formats.buffers import in_memory
from common.formats.reading.answers import Answerer
from common.formats.reading.messages import error_message, error_of
from common.formats.reading.process import Question, ReaderProcess


class LocalProcess(ReaderProcess):
    """Answers at once."""

    def __init__(self, _: int) -> None:
        self.pid, self.alive, self.confined = 0, True, None
        self._answerer = Answerer(lambda _: None)

    @property
    def load(self) -> int:
        return 0

    @property
    def ready(self) -> bool:
        return True

    def take_waited_s(self) -> float:
        return 0

    def ask(self, question: Question) -> None:
        request = _through_json(question.request)
        try:
            if question.max_bytes:
                question.voxels = self._answerer.voxels(request, in_memory)
                question.answer = {}
            else:
                question.answer = _through_json(self._answerer.header(request))
        except SourceError as error:
            question.error = error_of(_through_json(error_message(error)))
        except MemoryError:
            question.error = SourceError("not enough memory")

    def wait_for(self, question: Question) -> None:
        pass

    def close(self) -> None:
        pass


def _through_json(message: Any) -> Any:
    return json.loads(json.dumps(message))
