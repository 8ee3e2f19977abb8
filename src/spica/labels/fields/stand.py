"""A stand of wheat: rows of shoots with heads, shoots without, their leaves, and straw on the ground."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from spica.labels.fields.heads import Ear, grow_head
from spica.labels.fields.plants import Blades, Palette, grow_leaves, grow_stem, strew_straw
from spica.labels.fields.sources import Colour, Source
from spica.labels.fields.surfaces import Surfaces, join

SIDE = 1024.0  # side of the photo in scene units; half a millimetre each, more or less
MARGIN = 190.0  # plants that far outside the photo still reach into it or throw shadows on it
ROW_SPACING = (250.0, 400.0)  # drill rows are 12 to 20 cm apart
CANOPY = (240.0, 330.0)  # height of the canopy, squeezed, as little is seen of its lower half
MOST_HEADS = 150  # denser than any photo of the real data set
EMPTY_SHARE = 0.015  # of the real photos have no head (49 of 3,422)

Slant = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Where plants stand: parallel rows, and possibly a strip without any."""

    along: Float64[np.ndarray, "2"]
    spacing: float
    phase: float
    edge: float  # plants stand where (place - centre) . across is greater; -inf: everywhere

    def scatter(
        self, random: np.random.Generator, count: int, reach: float, spread: float
    ) -> Float64[np.ndarray, "n 2"]:
        """Return `count` places within the photo widened by `reach`, about `spread` away from the rows."""
        across = np.array([-self.along[1], self.along[0]])
        places = np.zeros((0, 2))
        for _ in range(200):  # each turn keeps a share of the places; nothing is kept where the photo is all gap
            if len(places) >= count:
                break
            x = random.uniform(-1.1 * SIDE, 1.1 * SIDE, 4 * count + 8)
            row = np.round(random.uniform(-1.1 * SIDE, 1.1 * SIDE, len(x)) / self.spacing)
            y = (row + self.phase) * self.spacing + random.normal(0, spread, len(x))
            found = x[:, None] * self.along + y[:, None] * across
            inside = (np.abs(found) < SIDE / 2 + reach).all(axis=1) & (y > self.edge)
            places = np.concatenate([places, found[inside] + SIDE / 2])
        return places[:count]


@dataclass(frozen=True, slots=True, eq=False)
class _Crop:
    """What all shoots of one photo share; `height` is that of the canopy."""

    source: Source
    rows: Rows
    height: float
    slant: Slant


def draw_head_count(random: np.random.Generator, source: Source) -> int:
    """Return how many heads a photo of `source` holds, 0 to 150; now and then 0."""
    if random.random() < EMPTY_SHARE:
        return 0
    return int(np.clip(round(source.heads * random.gamma(7.0, 1 / 7.0)), 0, MOST_HEADS))


def grow_stand(random: np.random.Generator, source: Source, heads: int, slant: Slant) -> Surfaces:
    """Return everything that grows or lies in the field, `heads` heads among it, numbered from 0."""
    crop = _Crop(source, _draw_rows(random, source), random.uniform(*CANOPY), slant)
    straw = int(620 * (0.3 + source.dead) * random.uniform(0.75, 1.25))
    parts = [strew_straw(random, straw, (-MARGIN, SIDE + MARGIN), _linear(source.dead_colours))]
    roots = []
    for number, place in enumerate(crop.rows.scatter(random, heads, 14.0, crop.rows.spacing * 0.27)):
        ear, foot = _draw_ear(random, crop, number, place)
        parts.extend(grow_head(random, ear))
        parts.append(grow_stem(random, foot, ear.base, ear.axis, _stem_colour(random, source)))
        roots.append(_leaf_roots(random, foot, ear.base, source.leaves))
    for place in crop.rows.scatter(random, _bare_shoots(random, source, heads), MARGIN, crop.rows.spacing * 0.26):
        foot, top = _draw_shoot(random, crop, place)
        axis = np.array([*random.normal(0, 0.25, 2), 1.0])
        parts.append(grow_stem(random, foot, top, axis, _stem_colour(random, source)))
        roots.append(_leaf_roots(random, foot, top, source.leaves))
    if roots:
        parts.append(_leaves(random, crop, np.concatenate(roots)))
    return join(parts)


def _draw_rows(random: np.random.Generator, source: Source) -> Rows:
    angle = random.uniform(0, np.pi)
    edge = random.uniform(-0.35, 0.15) * SIDE if random.random() < source.gap else -np.inf
    along = np.array([np.cos(angle), np.sin(angle)])
    return Rows(along, random.uniform(*ROW_SPACING), random.uniform(0, 1), edge)


def _draw_ear(
    random: np.random.Generator, crop: _Crop, number: int, place: Float64[np.ndarray, "2"]
) -> tuple[Ear, Float64[np.ndarray, "3"]]:
    """Return a head whose middle is seen at `place`, and the foot of its stem."""
    source, height, slant = crop.source, crop.height, crop.slant
    tilt = np.radians(random.uniform(*source.tilt))
    lean = np.arctan2(slant[1], slant[0])
    heading = random.uniform(0, 2 * np.pi) if random.random() > source.slant else random.normal(lean, 0.7)
    level = np.array([np.cos(heading), np.sin(heading), 0.0])
    axis = np.sin(tilt) * level + np.cos(tilt) * np.array([0.0, 0.0, 1.0])
    bend = random.normal(0, 0.16, 3) + 0.25 * np.sin(tilt) * np.array([0.0, 0.0, -1.0]) + 0.1 * level
    top = height * random.normal(1.0, 0.09)
    size = random.normal(1.0, 0.11) * (0.55 + 0.45 * top / height)  # lower heads are younger and farther away
    length, width = source.head_length * size * random.normal(1.0, 0.10), source.head_width * size
    middle = np.array([*place, top])
    middle[:2] -= top * np.array(slant)
    base = middle - length * (axis / 2 + bend / 8)
    foot = np.array([*(base[:2] - level[:2] * random.uniform(20, 110)), 0.0])
    colour = _pick(random, source.head_colours, 0.14)
    awns = source.awns * random.uniform(0.8, 1.15)
    return Ear(number, base, axis, bend, length, width, colour, awns, _pick(random, (source.awn_colour,), 0.12)), foot


def _bare_shoots(random: np.random.Generator, source: Source, heads: int) -> int:
    """Return how many shoots stand in and around the photo whose head is not on it or not out yet."""
    return int(random.poisson(source.shoots * 2.4 + 0.4 * heads))


def _draw_shoot(
    random: np.random.Generator, crop: _Crop, place: Float64[np.ndarray, "2"]
) -> tuple[Float64[np.ndarray, "3"], Float64[np.ndarray, "3"]]:
    """Return foot and top of a shoot without a head that is seen at `place`."""
    height = crop.height * random.uniform(0.45, 0.9)
    top = np.array([*(place - 0.8 * height * np.array(crop.slant)), height])
    return np.array([*(top[:2] + random.normal(0, 45, 2)), 0.0]), top


def _leaf_roots(
    random: np.random.Generator, foot: Float64[np.ndarray, "3"], top: Float64[np.ndarray, "3"], count: int
) -> Float64[np.ndarray, "k 3"]:
    """Return where `count` leaves leave the stem between foot and top."""
    place = np.linspace(0.15, 0.66, count)[:, None] + random.normal(0, 0.05, (count, 1))
    return np.asarray(foot + (top - foot) * place)


def _leaves(random: np.random.Generator, crop: _Crop, roots: Float64[np.ndarray, "k 3"]) -> Surfaces:
    """Return a leaf for each root; the lower, the more of it is dead."""
    source, depth = crop.source, 1 - np.clip(roots[:, 2] / crop.height, 0, 1)
    dead = np.clip(source.dead * (0.25 + 1.5 * depth**1.5) + random.normal(-0.12, 0.22, len(roots)), 0.0, 1.4)
    living, dying = _linear(source.leaf_colours), _linear(source.dead_colours)
    return grow_leaves(random, Blades(roots, dead, 0.74 * crop.height), living, dying)


def _stem_colour(random: np.random.Generator, source: Source) -> Float64[np.ndarray, "3"]:
    """Return a colour between leaf and head: stems are paler than leaves and waxy."""
    leaf, head = _pick(random, source.leaf_colours, 0.1), _pick(random, source.head_colours, 0.1)
    share = random.uniform(0.2, 0.75)
    return leaf * (1 - share) + head * share


def _pick(random: np.random.Generator, colours: tuple[Colour, ...], spread: float) -> Float64[np.ndarray, "3"]:
    """Return one of the colours, linear, a little lighter or darker and warmer or colder."""
    colour = _linear(colours)[random.integers(len(colours))]
    warm = np.exp(random.normal(0, 0.06) * np.array([1.0, 0.0, -1.0]))
    return np.asarray(colour * np.exp(random.normal(0, spread)) * warm)


def _linear(colours: tuple[Colour, ...]) -> Palette:
    """Return sRGB colours as linear ones in 0 to 1."""
    return np.asarray((np.array(colours, dtype=np.float64) / 255) ** 2.2)
