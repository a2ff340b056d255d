"""Views of one recording that need many requests.

A page reads a recording piece by piece: some samples for each part and resolution that it draws. An
event for each piece would bury the rest of the trail, and would say nothing more, as events name
the recording and not the piece. So the first piece that a user gets is an event of the trail, and
it stands for what the same user gets of the same recording, through the same route, from the same
address and with the same kind of credentials, in the ``VIEW_S`` seconds after it. The next piece
then is an event again. So the trail has an event at most ``VIEW_S`` seconds before each read, and
shows how long somebody looked. Refusals and errors are events of their own.

Each process merges for itself, and forgets what it merged when it ends: then there are more events,
never fewer.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

VIEW_S = 600.0
"""How long an event stands for later requests of the same view, seconds."""

_VIEWS_MAX = 10_000
"""The most views that are known at a time; of one that was forgotten, the next request is an
event."""


class Views:
    """The views under way in this process. Not thread-safe: requests are recorded on one loop.

    Args:
        clock: seconds; never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun: OrderedDict[Hashable, tuple[float, str]] = OrderedDict()

    def covering(self, view: Hashable, request: str) -> str:
        """The id of the request whose event stands for this one: its own if it begins a view.

        Args:
            view: what is the same for all requests of a view.
            request: id of the request.
        """
        now = self._clock()
        begun = self._begun.get(view)
        if begun is not None and now - begun[0] < VIEW_S:
            return begun[1]
        self._begun[view] = now, request
        self._begun.move_to_end(view)
        if len(self._begun) > _VIEWS_MAX:
            self._begun.popitem(last=False)
        return request
