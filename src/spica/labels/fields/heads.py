"""Heads: a spindle of overlapping spikelets in two rows along a bent axis, with or without awns."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from spica.labels.fields.surfaces import ROUND, Finish, Surfaces, grains, ribbons, unit

Vector = Float64[np.ndarray, "3"]
FLORETS = (-1.0, -0.34, 0.34, 1.0)  # places of the florets of one spikelet across the head


@dataclass(frozen=True, slots=True, eq=False)
class Ear:
    """One head to be grown: where its base is, where it points, how it bends, and its looks.

    Lengths in scene units; `colour` and `awn_colour` are linear; `awns` is their length as a share of the head's.
    """

    number: int
    base: Vector
    axis: Vector
    bend: Vector
    length: float
    width: float
    colour: Vector
    awns: float
    awn_colour: Vector


@dataclass(frozen=True, slots=True, eq=False)
class _Spindle:
    """For each spikelet: where it is fixed, the head's direction there, its row's side, across both, its size."""

    point: Float64[np.ndarray, "n 3"]
    tangent: Float32[np.ndarray, "n 3"]
    out: Float32[np.ndarray, "n 3"]
    face: Float32[np.ndarray, "n 3"]
    size: Float64[np.ndarray, " n"]


def grow_head(random: np.random.Generator, ear: Ear) -> list[Surfaces]:
    """Return the spikelets of a head (which carry its number) and, if it has any, its awns (which do not)."""
    spindle = _spindle(random, ear)
    body, tips, rays = _florets(random, ear, spindle)
    parts = [_core(ear, spindle), body]
    if ear.awns > 0:
        parts.append(_awns(random, ear, tips, rays))
    return parts


def _spindle(random: np.random.Generator, ear: Ear) -> _Spindle:
    """Return the bent axis of a head, with spikelets that take turns on its two sides."""
    spikelets = max(9, round(ear.length / ear.width * 5.2 + random.normal(0, 0.8)))
    place = (np.arange(spikelets) + 0.35) / spikelets
    point = ear.base + ear.length * (ear.axis * place[:, None] + ear.bend * (place[:, None] ** 2 / 2))
    tangent = unit(ear.axis + ear.bend * place[:, None])
    row, face = _frame(random, tangent)
    side = np.where(np.arange(spikelets) % 2 == 0, 1.0, -1.0).astype(np.float32)
    side[-1] = 0.0  # the last spikelet crowns the head
    size = ear.width * _profile(place) * random.normal(1.0, 0.07, spikelets)
    return _Spindle(point, tangent, row * side[:, None], face, size)


def _profile(place: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """Return the relative size of spikelets from the base (0) to the tip (1) of a head: smaller at both ends."""
    return np.asarray(np.interp(place, [0.0, 0.12, 0.4, 0.75, 1.0], [0.62, 0.86, 1.0, 0.92, 0.62]))


def _frame(
    random: np.random.Generator, tangent: Float32[np.ndarray, "n 3"]
) -> tuple[Float32[np.ndarray, "n 3"], Float32[np.ndarray, "n 3"]]:
    """Return the direction of the two rows, turned at random about the axis and slightly twisted, and across it."""
    any_side = np.cross(tangent, [0.31, 0.17, 0.12] if abs(tangent[0, 2]) > 0.9 else [0.0, 0.0, 1.0])
    first = unit(any_side)
    second = np.cross(tangent, first)
    angle = random.uniform(0, 2 * np.pi) + np.linspace(0, random.normal(0, 0.35), len(tangent))
    row = unit(first * np.cos(angle)[:, None] + second * np.sin(angle)[:, None])
    return row, unit(np.cross(tangent, row))


def _florets(
    random: np.random.Generator, ear: Ear, spindle: _Spindle
) -> tuple[Surfaces, Float64[np.ndarray, "m 3"], Float32[np.ndarray, "m 3"]]:
    """Return the florets as ellipsoids, and tip and direction of each."""
    spread = np.array(FLORETS)
    count, each = len(spindle.point), len(FLORETS)
    tangent, out, face = spindle.tangent[:, None], spindle.out[:, None], spindle.face[:, None]
    fan = tangent + out * (0.62 - 0.22 * np.abs(spread)[:, None]) + face * (0.42 * spread)[:, None]
    direction = unit(fan + random.normal(0, 0.13, (count, each, 3)))
    size = spindle.size[:, None, None] * random.normal(1.0, 0.06, (count, each, 1))
    half = 0.33 * size * (1.0 - 0.10 * np.abs(spread))[None, :, None]
    center = spindle.point[:, None] + size * (0.13 * out + 0.19 * face * spread[:, None]) + direction * half
    across = unit(np.cross(direction, out + 0.3 * face))
    thick = 0.46 * half
    axes = np.stack([direction * half, across * thick, np.cross(direction, across) * thick * 0.9], axis=-1)
    total = count * each
    finish = _floret_finish(random, ear, count)
    body = grains(center.reshape(total, 3), axes.reshape(total, 3, 3), finish, ear.number)
    return body, (center + direction * half).reshape(total, 3), direction.reshape(total, 3)


def _floret_finish(random: np.random.Generator, ear: Ear, spikelets: int) -> Finish:
    """Return the looks of all florets: every spikelet and every floret a little different, tips paler and drier."""
    shape = (spikelets, len(FLORETS), 1)
    tone = np.exp(random.normal(0, 0.10, (spikelets, 1, 1)) + random.normal(0, 0.10, shape))
    warmth = np.exp(random.normal(0, 0.05, shape) * np.array([1.0, 0.2, -1.2]))
    colour = (ear.colour * tone * warmth).reshape(-1, 3).astype(np.float32)
    flat = np.ones(len(colour), dtype=np.float32)
    paler = colour * np.array([0.34, 0.30, 0.24], dtype=np.float32)
    return Finish(colour, paler, flat * np.float32(0.10), flat * np.float32(0.8), flat * np.float32(0.15))


def _core(ear: Ear, spindle: _Spindle) -> Surfaces:
    """Return the inside of a head, which shows between the spikelets: darker, as little light gets there."""
    count, size = len(spindle.point), spindle.size[:, None]
    row = np.cross(spindle.face, spindle.tangent)
    axes = np.stack([spindle.tangent * size * 0.34, row * size * 0.17, spindle.face * size * 0.24], axis=-1)
    colour = np.repeat(ear.colour[None] * 0.6, count, axis=0).astype(np.float32)
    flat = np.zeros(count, dtype=np.float32)
    finish = Finish(colour, colour * np.float32(0), flat, flat, flat)
    return grains(spindle.point + spindle.tangent * size * 0.15, axes, finish, ear.number)


def _awns(
    random: np.random.Generator, ear: Ear, tips: Float64[np.ndarray, "m 3"], rays: Float32[np.ndarray, "m 3"]
) -> Surfaces:
    """Return one awn for about every second floret: long where `ear.awns` is 1, stubs where it is small."""
    chosen = np.flatnonzero(random.random(len(tips)) < 0.42)
    tips, rays = tips[chosen] - rays[chosen] * 3.0, rays[chosen]
    count, points = len(chosen), 4
    ahead = unit(rays + 0.55 * ear.axis + random.normal(0, 0.24, (count, 3)))
    length = ear.length * ear.awns * random.uniform(0.65, 1.1, count)
    place = np.linspace(0, 1, points)[None, :, None]
    sag = random.normal(0, 0.10, (count, 1, 3)) + np.array([0.0, 0.0, -0.08])
    line = tips[:, None] + length[:, None, None] * (ahead[:, None] * place + sag * place**2)
    across = unit(np.cross(ahead, [0.0, 0.0, 1.0]))[:, None]
    thickness = np.linspace(1.0, 0.45, points)[None, :, None]  # about half a millimetre at the base
    total = count * (points - 1)
    colour = np.repeat(ear.awn_colour * np.exp(random.normal(0, 0.22, (count, 1))), points - 1, axis=0)
    plain = np.zeros(total, dtype=np.float32)
    finish = Finish(
        colour.astype(np.float32), np.zeros((total, 3), dtype=np.float32), plain + np.float32(0.3), plain, plain
    )
    return ribbons(line.astype(np.float32), (across * thickness).astype(np.float32), finish, shape=ROUND)
