"""Which faults, where, in which order: drawn from the seed and the options alone."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tests.faults.options import OptionError, Options

if TYPE_CHECKING:
    from tests.faults.nemesis import Scene


class Place(StrEnum):
    """What kind of world a fault needs."""

    SERVER = "one server"
    SET = "replica set"
    PEERS = "one server, peers of its own"
    """These speak without TLS and know no secret."""
    MACHINE = "small disk, own clock"
    POWER = "a disk that loses power"
    RATE = "high rate"
    OLD = "an old and large database"
    ECGS = "ECGs"
    WEB = "one server, with the API"


@dataclass(frozen=True)
class Fault:
    """A row of the table."""

    name: str
    place: Place
    act: "Callable[[Scene], None]"
    what: str
    """What is done, for people."""
    swarm: bool = False
    """Whether the next fault may come while this one is being recovered from."""
    long: bool = False
    """Whether it takes minutes: run where it is named, or with LONG=1."""


@dataclass(frozen=True)
class Step:
    """A fault at its time, with the seed of everything random in it."""

    fault: Fault
    seed: str

    def random(self) -> random.Random:
        """The generator for this step."""
        return random.Random(self.seed)


class Security(StrEnum):
    """How the units of a world prove who they are."""

    NONE = "no security"
    SECRET = "a shared secret"  # noqa: S105 - its name
    TLS = "TLS"


def security_of(place: Place, steps: Sequence[Step]) -> Security:
    """Of the world of these steps: drawn, where peers can do with it."""
    if place is Place.PEERS:
        return Security.NONE
    return random.Random(f"{steps[0].seed}/security").choice([Security.SECRET, Security.TLS])


class Catalogue:
    """The faults there are; each family's file adds its own."""

    def __init__(self) -> None:
        self.faults: dict[str, Fault] = {}

    def add(
        self, name: str, place: Place, what: str, *, swarm: bool = False, long: bool = False
    ) -> "Callable[[Callable[[Scene], None]], Callable[[Scene], None]]":
        """Add this function as a fault."""

        def adding(act: "Callable[[Scene], None]") -> "Callable[[Scene], None]":
            assert name not in self.faults
            self.faults[name] = Fault(name, place, act, what, swarm, long)
            return act

        return adding

    def named(self, names: Sequence[str], *, long: bool = False) -> list[Fault]:
        """These; all, without a name, but long ones only where ``long`` asks for them. A name that
        ends with ``*`` stands for all that begin so.

        Raises:
            OptionError: there is none of a name.
        """
        if not names:
            return [fault for fault in self.faults.values() if long or not fault.long]
        wanted: list[Fault] = []
        for name in names:
            found = [
                fault
                for fault in self.faults.values()
                if fault.name == name or (name.endswith("*") and fault.name.startswith(name[:-1]))
            ]
            if not found:
                raise OptionError(f"ONLY={name!r}: there are {', '.join(self.faults)}")
            wanted += [fault for fault in found if fault not in wanted]
        return wanted


CATALOGUE = Catalogue()


def schedule(
    options: Options, round_number: int = 0, catalogue: Catalogue = CATALOGUE
) -> dict[Place, list[Step]]:
    """The steps of one round: for each place that is needed its faults, or a sample, shuffled."""
    wanted = catalogue.named(options.only, long=options.long)
    draw = random.Random(f"{options.seed}/{round_number}")
    plan: dict[Place, list[Step]] = {}
    for place in Place:
        faults = [fault for fault in wanted if fault.place is place]
        if faults:
            draw.shuffle(faults)
            faults = faults[: math.ceil(options.sample * len(faults))]
            plan[place] = [
                Step(fault, f"{options.seed}/{round_number}/{fault.name}") for fault in faults
            ]
    return plan
