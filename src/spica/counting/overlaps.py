"""Which photos of a flight show the same ground: pairs that may, pairs that do, and what follows from two of them.

names, positions --(candidates)--> pairs --(registered)--> links --(grown, closed)--> links of all photos
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from spica.counting.registration import Features, Registration, registered, shared_part
from spica.errors import needing

ALL_PAIRS = 30  # photos up to which every pair is tried: 435 pairs, about a minute
NEAREST = 8  # photos around one: those of a grid
NEXT = 4  # photos after one, by name: with 80 % of overlap the fourth still shares a fifth
LEAST_SHARED = 0.01  # part of a photo; less is within the error of its edge
_METRES_A_DEGREE = 111_320.0  # of latitude: 40,075 km / 360

Pair: TypeAlias = tuple[int, int]  # the lower number first
Told: TypeAlias = Callable[[int, int], object]  # pairs that are done, of how many


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """Two photos that share ground: how the second `lies` on the first, and the photo by `way` of which that is known.

    `way` is None if the two were registered with each other.
    """

    lies: Registration
    way: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Overlaps:
    """Which of some photos share ground: `links` maps pairs of their numbers to how the second lies on the first."""

    links: dict[Pair, Link]

    def around(self) -> dict[int, dict[int, Registration]]:
        """Return for each photo that shares ground the photos it shares it with, and how it lies on each of them."""
        found: dict[int, dict[int, Registration]] = {}
        for (first, second), link in self.links.items():
            found.setdefault(first, {})[second] = link.lies
            found.setdefault(second, {})[first] = link.lies.inverse()
        return found


def candidates(count: int, positions: Sequence[tuple[float, float] | None]) -> list[Pair]:
    """Return the pairs of so many photos, in the order of their names, that may share ground.

    All pairs of few photos. Of many each with those next to it in the order, and with the nearest by their positions
    (latitude and longitude, in degrees), if all have one; pairs grow in proportion to photos.

    Raises:
        MissingExtraError: if scipy is not installed.
    """
    if count <= ALL_PAIRS:
        return list(combinations(range(count), 2))
    pairs = {(one, one + step) for step in range(1, NEXT + 1) for one in range(count - step)}
    known = [position for position in positions if position is not None]
    if len(known) == count:
        pairs |= _near(np.array(known))
    return sorted(pairs)


def find_overlaps(
    features: Sequence[Features | None], pairs: Iterable[Pair], told: Told = lambda _done, _all: None
) -> Overlaps:
    """Return which photos share ground: of the pairs given, and of those that these make likely.

    Photos without features take no part. If b lies on a and c on b, then a and c are tried as well; if they cannot be
    registered, for they share a narrow strip, b says how they lie.

    Raises:
        MissingExtraError: if scikit-image is not installed.
    """
    search = _Search(features)
    waiting = deque(sorted(set(pairs)))
    known = set(waiting)
    done = 0
    while waiting:
        likely = search.made_likely_by(waiting.popleft())
        waiting += [pair for pair in likely if pair not in known]
        known.update(likely)
        done += 1
        told(done, len(known))
    return Overlaps(dict(sorted({**search.closing(), **search.links}.items())))


class _Search:
    """The pairs that were found so far, and what lies around each photo."""

    def __init__(self, features: Sequence[Features | None]) -> None:
        self.features = features
        self.links: dict[Pair, Link] = {}
        self._around: dict[int, dict[int, Registration]] = {}

    def made_likely_by(self, pair: Pair) -> list[Pair]:
        """Register two photos, and return the pairs that must share ground if these do."""
        one, other = pair
        first, second = self.features[one], self.features[other]
        lies = None if first is None or second is None else registered(first, second)
        if lies is None:
            return []
        self.links[pair] = Link(lies)
        self._around.setdefault(one, {})[other] = lies
        self._around.setdefault(other, {})[one] = lies.inverse()
        ends = [(one, far, other) for far in self._around[other]] + [(far, other, one) for far in self._around[one]]
        likely = {(min(a, b), max(a, b)) for a, b, middle in ends if a != b and self._by_way(a, b, middle) is not None}
        return sorted(likely)

    def closing(self) -> dict[Pair, Link]:
        """Return how photos lie on each other that could not be registered: by way of the one that fits best."""
        best: dict[Pair, Link] = {}
        for middle, ends in sorted(self._around.items()):
            for pair in combinations(sorted(ends), 2):
                link = None if pair in self.links else self._by_way(*pair, middle)
                if link is not None and (pair not in best or best[pair].lies.fitting < link.lies.fitting):
                    best[pair] = link
        return best

    def _by_way(self, one: int, other: int, middle: int) -> Link | None:
        """Return how a photo lies on another by way of a third, or None if they do not share ground then."""
        first, second = self.features[one], self.features[other]
        if first is None or second is None:
            return None
        lies = self._around[one][middle].then(self._around[middle][other])
        share = shared_part(lies, first.width, first.height, (second.width, second.height))
        return Link(lies, middle) if share >= LEAST_SHARED else None


def _near(positions: Float[np.ndarray, "n 2"]) -> set[Pair]:
    """Return each position with the nearest ones, given in degrees."""
    with needing("ground", "finding what photos share"):
        from scipy.spatial import cKDTree
    narrowing = math.cos(math.radians(float(positions[:, 0].mean())))  # of a degree of longitude
    metres = positions * _METRES_A_DEGREE * [1.0, narrowing]
    _, near = cKDTree(metres).query(metres, k=NEAREST + 1)  # itself is one of them
    return {(min(one, other), max(one, other)) for one, others in enumerate(near.tolist()) for other in others} - {
        (one, one) for one in range(len(positions))
    }
