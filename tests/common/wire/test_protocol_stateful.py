"""Two links back to back in memory: whatever is said, in whatever pieces, by whoever breaks rules.

``HYPOTHESIS_PROFILE=long`` looks longer.
"""

from collections import deque

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from common.errors import ProtocolError
from common.wire.frames import encode
from common.wire.messages import TYPES, Event, Hello, InvalidMessage, Message, Proof, Welcome
from common.wire.protocol import Side, State, WireProtocol
from tests.common.wire.frames import EXAMPLES, frame_of
from tests.common.wire.test_protocol_refusals import AFTER, BEFORE
from tests.stateful import bounded

LIMIT = 128 * 1024
PIECE = 16 * 1024
PAIRS = (
    (Side.SCAN_SENDER, Side.SCAN_RECEIVER),
    (Side.REPORT_SENDER, Side.REPORT_RECEIVER),
)
MESSAGES = {message.t: message for _, message in EXAMPLES}
ENDS = st.sampled_from([0, 1])


class End:
    """One end: its protocol, what is on its way to it, and what a model expects it to say."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.protocol = WireProtocol(side, LIMIT)
        self.line = bytearray()
        self.due: deque[tuple[int, Message | None]] = deque()
        """Frames on the line: where each ends, and its message (none: it must be refused)."""
        self.sent = self.fed = 0
        self.state = State.HANDSHAKE
        self.refusal: ProtocolError | None = None

    def put(self, frame: bytes, message: Message | None) -> None:
        self.line += frame
        self.sent += len(frame)
        self.due.append((self.sent, message))

    def take(self, count: int) -> None:
        piece = bytes(self.line[:count])
        del self.line[:count]
        self.fed += len(piece)
        self.protocol.receive_data(piece)

    def read(self) -> None:
        """All that has come, held to what was sent."""
        while True:
            event, refusal = self.next()
            if refusal is not None:
                assert self.refusal in (None, refusal), "another refusal after the first"
                if self.refusal is None:
                    assert not self.allowed(self.due[0][1]), f"refused what is allowed: {refusal}"
                self.refusal = refusal
                return
            assert self.refusal is None, "a refused protocol goes on"
            if event is None:
                if self.due:
                    whole = self.fed >= self.due[0][0]
                    assert not whole, "a whole frame is neither given nor refused"
                return
            self.said(event)

    def next(self) -> tuple[Event | None, ProtocolError | None]:
        try:
            return self.protocol.next_event(), None
        except ProtocolError as error:
            return None, error

    def said(self, event: Event) -> None:
        _, message = self.due.popleft()
        assert self.allowed(message), f"accepted what is not allowed: {message}"
        assert not isinstance(event, InvalidMessage)
        assert event == message
        if isinstance(event, Hello) and event.nonce:
            self.state = State.AWAITING_PROOF
        elif isinstance(event, Hello | Welcome):
            self.state = State.OPEN
        elif isinstance(event, Proof):
            self.protocol.complete_handshake()
            self.state = State.OPEN

    @property
    def is_open(self) -> bool:
        return self.state is State.OPEN

    @property
    def kinds(self) -> set[str]:
        if self.state is State.AWAITING_PROOF:
            return {"proof"}
        return (AFTER if self.is_open else BEFORE)[self.side]

    def allowed(self, message: Message | None) -> bool:
        return message is not None and message.t in self.kinds


class Peers(RuleBasedStateMachine):
    """Both ends, and the two lines between them."""

    @initialize(pair=st.sampled_from(PAIRS), greet=st.booleans())
    def connect(self, pair: tuple[Side, Side], greet: bool) -> None:
        self.ends = tuple(map(End, pair))
        if greet:
            hello = Hello("pacs-1")
            self.ends[1].put(encode(hello), hello)
            self.ends[0].put(encode(MESSAGES["welcome"]), MESSAGES["welcome"])

    @rule(to=ENDS, pick=st.integers(0, 100))
    def say_what_is_allowed(self, to: int, pick: int) -> None:
        end = self.ends[to]
        if not end.is_open and end.due:
            return  # what is allowed after the handshake is not sent before its end
        kinds = sorted(end.kinds)
        message = MESSAGES[kinds[pick % len(kinds)]]
        end.put(encode(message), message)

    @rule(to=ENDS, kind=st.sampled_from(sorted(TYPES)), rarely=st.integers(0, 9))
    def say_anything(self, to: int, kind: str, rarely: int) -> None:
        if not rarely:
            self.ends[to].put(encode(MESSAGES[kind]), MESSAGES[kind])

    @rule(to=ENDS, rarely=st.integers(0, 19), data=st.data())
    def break_a_frame(self, to: int, rarely: int, data: st.DataObject) -> None:
        if not rarely:
            frame = bytearray(encode(MESSAGES["ping"]))
            # Behind the length: one that grew swallows what follows, see test_flipped_bits.
            bit = data.draw(st.integers(32, 8 * len(frame) - 1))
            frame[bit // 8] ^= 1 << bit % 8
            self.ends[to].put(bytes(frame), None)

    @rule(to=ENDS, rarely=st.integers(0, 19), content=st.binary(max_size=50))
    def say_nonsense_well_framed(self, to: int, rarely: int, content: bytes) -> None:
        if not rarely:
            self.ends[to].put(frame_of({"t": "nonsense", "a": content}), None)

    @rule(to=ENDS, count=st.integers(1, PIECE))
    def a_piece_arrives(self, to: int, count: int) -> None:
        self.ends[to].take(count)
        self.ends[to].read()

    @rule(to=ENDS, counts=st.lists(st.integers(1, 20), max_size=10))
    def crumbs_arrive(self, to: int, counts: list[int]) -> None:
        for count in counts:
            self.ends[to].take(count)
        self.ends[to].read()

    @invariant()
    def memory_is_bounded(self) -> None:
        for end in getattr(self, "ends", ()):
            assert len(end.protocol._buffer) <= LIMIT + 2 * PIECE
            assert end.protocol.is_open is end.is_open or end.refusal is not None

    def teardown(self) -> None:
        for end in getattr(self, "ends", ()):
            while end.line:
                end.take(PIECE)
                end.read()
            assert end.refusal is not None or not end.due, "something was swallowed"


TestPeers = Peers.TestCase
TestPeers.settings = bounded(60, 40)
