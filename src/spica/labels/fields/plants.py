"""Stems, leaves and straw: ribbons along bent lines."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from spica.labels.fields.surfaces import ROUND, Finish, Surfaces, ribbons, unit

Vector = Float64[np.ndarray, "3"]
Palette = Float64[np.ndarray, "_ 3"]
LEAF_POINTS = 13
STEM_POINTS = 9


def grow_stem(random: np.random.Generator, foot: Vector, top: Vector, axis: Vector, colour: Vector) -> Surfaces:
    """Return a stem from the ground to the base of a head that points along `axis`."""
    height = float(np.linalg.norm(top - foot))
    place = np.linspace(0, 1, STEM_POINTS)[:, None]
    control = top - axis * height * 0.30
    line = (1 - place) ** 2 * foot + 2 * place * (1 - place) * control + place**2 * top
    line[1:-1] += random.normal(0, 1.2, (STEM_POINTS - 2, 3))
    tangent = np.gradient(line, axis=0)
    across = unit(np.cross(tangent, [0.02, 0.03, 1.0]))
    width = random.uniform(3.0, 4.2) * np.linspace(1.0, 0.72, STEM_POINTS)[:, None]
    pieces = STEM_POINTS - 1
    tone = np.exp(random.normal(0, 0.12, (pieces, 1)) + random.normal(0, 0.15))
    shade = (colour * tone).astype(np.float32)
    flat = np.zeros(pieces, dtype=np.float32)
    finish = Finish(shade, shade * 0.0, flat + np.float32(0.35), flat + np.float32(0.25), flat + np.float32(0.05))
    return ribbons(line[None].astype(np.float32), (across * width)[None].astype(np.float32), finish, shape=ROUND)


@dataclass(frozen=True, slots=True, eq=False)
class Blades:
    """Leaves to be grown: where each leaves its stem, and how much of it, from the tip, is yellow or dead (0 to 1).

    Leaves bend over above the height `ceiling`, so that most heads stay free.
    """

    roots: Float64[np.ndarray, "k 3"]
    dead: Float64[np.ndarray, " k"]
    ceiling: float


def grow_leaves(random: np.random.Generator, blades: Blades, living: Palette, dying: Palette) -> Surfaces:
    """Return one bent leaf for each of `blades`, in colours drawn from `living` where alive and `dying` where dead."""
    dead, count = blades.dead, len(blades.dead)
    line, side = _blades(random, blades)
    colour, change = _leaf_colours(random, living, dying, dead)
    total = count * (LEAF_POINTS - 1)
    flat = np.zeros(total, dtype=np.float32)
    gloss = np.repeat(np.clip(random.normal(0.45, 0.15, count) - 0.25 * dead, 0.05, 1), LEAF_POINTS - 1)
    finish = Finish(colour, change, gloss.astype(np.float32), flat + np.float32(0.5), flat + np.float32(0.45))
    return ribbons(line, side, finish)


def _blades(
    random: np.random.Generator, blades: Blades
) -> tuple[Float32[np.ndarray, "k p 3"], Float32[np.ndarray, "k p 3"]]:
    """Return middle lines of leaves and the vectors from there to their edges."""
    count, dead = len(blades.roots), np.clip(blades.dead, 0, 1)
    place = np.linspace(0, 1, LEAF_POINTS)[None, :]
    length = random.uniform(170, 430, count)
    start = np.radians(random.uniform(25, 80, count))[:, None]  # above the horizontal where the blade leaves the stem
    fall = np.radians(random.gamma(2.5, 36, count)).clip(0.3, 2.6)[:, None]
    rise = np.maximum(start - fall * place**1.4, -1.45)
    heading = random.uniform(0, 2 * np.pi, count)[:, None] + random.normal(0, 0.35, count)[:, None] * place
    step = np.stack([np.cos(rise) * np.cos(heading), np.cos(rise) * np.sin(heading), np.sin(rise)], axis=-1)
    line = blades.roots[:, None] + np.cumsum(step * (length / LEAF_POINTS)[:, None, None], axis=1)
    line[..., 2] = np.maximum(line[..., 2], 3.0 + 2.0 * place)  # leaves lie on the ground, not in it
    free = random.random(count)[:, None] < 0.12  # some flag leaves do stand above the heads
    above = np.maximum(line[..., 2] - blades.ceiling, 0)
    line[..., 2] -= np.where(free, 0.35, 0.85) * above
    level = np.stack([-np.sin(heading), np.cos(heading), 0 * heading], axis=-1)
    upward = np.cross(step, level)
    twist = random.normal(0, 0.5, count)[:, None] + random.normal(0, 1.1, count)[:, None] * place
    across = level * np.cos(twist)[..., None] + upward * np.sin(twist)[..., None]
    shape = np.interp(place, [0, 0.06, 0.3, 0.7, 0.92, 1.0], [0.35, 0.8, 1.0, 0.78, 0.3, 0.02])
    width = (random.uniform(8, 17, count) * (1 - 0.5 * dead))[:, None] * shape  # the dead ones roll up
    return line.astype(np.float32), (unit(across) * width[..., None]).astype(np.float32)


def _leaf_colours(
    random: np.random.Generator, living: Palette, dying: Palette, dead: Float64[np.ndarray, " k"]
) -> tuple[Float32[np.ndarray, "n 3"], Float32[np.ndarray, "n 3"]]:
    """Return colour and its change of all leaf pieces: alive at the base, through yellow to dead at the tip."""
    count = len(dead)
    fresh = living[random.integers(len(living), size=count)] * np.exp(random.normal(0, 0.18, (count, 1)))
    dry = dying[random.integers(len(dying), size=count)] * np.exp(random.normal(0, 0.25, (count, 1)))
    yellow = np.sqrt(fresh * dry) * np.array([1.5, 1.35, 0.75])
    place = np.linspace(0, 1, LEAF_POINTS)[None, :]
    ripeness = np.clip((place - (1.12 - 1.25 * dead[:, None])) / 0.16, 0, 2)[..., None]
    first, second = np.minimum(ripeness, 1), np.clip(ripeness - 1, 0, 1)
    colour = (fresh[:, None] * (1 - first) + yellow[:, None] * first) * (1 - second) + dry[:, None] * second
    middle, change = (colour[:, 1:] + colour[:, :-1]) / 2, (colour[:, 1:] - colour[:, :-1]) / 2
    return middle.reshape(-1, 3).astype(np.float32), change.reshape(-1, 3).astype(np.float32)


def strew_straw(random: np.random.Generator, count: int, area: tuple[float, float], colours: Palette) -> Surfaces:
    """Return `count` dead blades and bits of stem that lie on the ground between `area[0]` and `area[1]`."""
    middle = np.stack([random.uniform(*area, count), random.uniform(*area, count), random.gamma(1.5, 6, count) + 2], 1)
    angle, bend = random.uniform(0, 2 * np.pi, count), random.normal(0, 0.5, count)
    place = np.linspace(-1, 1, 5)[None, :]
    heading = angle[:, None] + bend[:, None] * place
    length = random.gamma(2.0, 32, count)[:, None]
    step = np.stack([np.cos(heading), np.sin(heading), random.normal(0, 0.12, count)[:, None] + 0 * heading], axis=-1)
    line = middle[:, None] + np.cumsum(step * (length * 0.4)[..., None], axis=1)
    line[..., 2] = np.maximum(line[..., 2], 2.0)
    across = np.stack([-np.sin(heading), np.cos(heading), random.normal(0, 0.5, count)[:, None] + 0 * heading], -1)
    width = (random.gamma(2.5, 1.4, count) + 0.8)[:, None] * np.array([0.6, 1.0, 1.0, 0.9, 0.35])
    pieces = 4
    tone = np.exp(random.normal(0, 0.4, (count, 1)))
    colour = np.repeat(colours[random.integers(len(colours), size=count)] * tone, pieces, axis=0).astype(np.float32)
    flat = np.zeros(count * pieces, dtype=np.float32)
    finish = Finish(colour, colour * 0, flat + np.float32(0.15), flat + np.float32(0.6), flat + np.float32(0.1))
    return ribbons(line.astype(np.float32), (unit(across) * width[..., None]).astype(np.float32), finish)
