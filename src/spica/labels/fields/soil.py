"""The ground: colour and relief of bare earth with clods and stones."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from spica.labels.fields.noise import Texture, octaves, value_noise
from spica.labels.fields.sources import Colour


@dataclass(frozen=True, slots=True, eq=False)
class Soil:
    """Linear colour, height above the ground and its slope in x and y, for each pixel."""

    colour: Float32[np.ndarray, "rows columns 3"]
    relief: Texture
    slope: Float32[np.ndarray, "2 rows columns"]


def draw_soil(random: np.random.Generator, colour: Colour, side: int, unit: float) -> Soil:
    """Return `side` x `side` pixels of ground of about the given colour, with `unit` pixels to a scene unit."""
    relief = octaves(random, side, side, (90 * unit, 34 * unit, 12 * unit, 5 * unit, 2.4 * unit))
    stones = np.clip(value_noise(random, side, side, 15 * unit) - random.uniform(1.7, 2.8), 0, 0.5)
    relief = (relief * 4.2 + np.sqrt(stones) * 9).astype(np.float32) * np.float32(unit)
    base = (np.array(colour, dtype=np.float32) / 255) ** np.float32(2.2)
    tone = octaves(random, side, side, (240 * unit, 40 * unit, 6 * unit, 2.2 * unit))
    wet = np.float32(random.choice([1.0, 0.55], p=[0.8, 0.2]))  # wet earth is half as bright
    light = np.exp(np.float32(0.20) * tone) * wet
    pale = np.minimum(stones * 5, 1)[..., None] * np.float32(random.uniform(0, 0.8))
    stone = base.mean() * np.array([1.7, 1.65, 1.55], dtype=np.float32)
    earth = base * light[..., None]
    down, right = np.gradient(relief)
    return Soil(
        (earth * (1 - pale) + stone * pale).astype(np.float32),
        relief,
        np.stack([right, down]).astype(np.float32),
    )
