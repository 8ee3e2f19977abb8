"""One rendered photo of a wheat field, with the box of every head on it."""

import numpy as np

from spica.boxes import Boxes
from spica.image import Image
from spica.labels.fields.camera import Camera, take_photo
from spica.labels.fields.light import light_scene
from spica.labels.fields.shadows import Sun
from spica.labels.fields.soil import draw_soil
from spica.labels.fields.sources import SOURCES, Source
from spica.labels.fields.stand import MOST_HEADS, SIDE, draw_head_count, grow_stand
from spica.labels.fields.surfaces import scaled
from spica.labels.fields.truth import label_heads
from spica.labels.fields.views import look, paint

SMALLEST_SIDE = 64  # below, a head is a few pixels and nothing to look at
SMALLEST_BOX = 2.0  # pixels a side; what the border or a tiny photo leaves narrower is no label
FINENESS = 2  # the scene is drawn that much finer than the photo and then averaged


def render_field(
    seed: int, *, side: int = 1024, heads: int | None = None, source: Source | None = None
) -> tuple[Image, Boxes]:
    """Return a photo of a wheat field, shape (side, side, 3), and the boxes of its heads.

    The same arguments give the same bytes. Lengths scale with `side`: a head is about 7 % of it. `heads` is how many
    heads grow; those of which less than 30 % is visible, as others hide them or the border cuts them, get no box, so
    there are at most `heads` boxes. By default both number and source are drawn from the seed: 0 to 150 heads, 40 on
    the average, and one of `SOURCES`. A box encloses the spikelets, visible or hidden, without awns, and is cut at the
    border of the photo.

    >>> photo, boxes = render_field(7, side=64, heads=3)
    >>> photo.shape, len(boxes) <= 3
    ((64, 64, 3), True)

    Raises:
        ValueError: if `side` is below 64, or `heads` is not in 0 to 150.
    """
    if side < SMALLEST_SIDE:
        raise ValueError(f"side is {side}, expected {SMALLEST_SIDE} or more pixels")
    if heads is not None and not 0 <= heads <= MOST_HEADS:
        raise ValueError(f"heads is {heads}, expected 0 to {MOST_HEADS}")
    random = np.random.default_rng(seed)
    drawn = SOURCES[random.integers(len(SOURCES))]
    kind = drawn if source is None else source
    count = draw_head_count(random, kind)
    return _render(random, kind, count if heads is None else heads, side)


def _render(random: np.random.Generator, source: Source, heads: int, side: int) -> tuple[Image, Boxes]:
    """Return photo and boxes of one field."""
    fine, scale = side * FINENESS, side * FINENESS / SIDE
    slant = _draw_slant(random, source)
    sun = _draw_sun(random, source, scale)
    camera = _draw_camera(random, source)
    # Streams of their own, so that the same plants stand there at any size of the photo.
    ground, plants, light_noise, film = random.spawn(4)
    soil = draw_soil(ground, source.soil_colour, fine, scale)
    surfaces = scaled(grow_stand(plants, source, heads, slant), scale)
    view = look(surfaces, slant)
    ids = paint(view, fine, fine)
    boxes = label_heads(surfaces, view, ids) / np.float32(FINENESS)
    boxes = boxes[(boxes[:, 2:] - boxes[:, :2] >= SMALLEST_BOX).all(axis=1)]
    light, height = light_scene(light_noise, surfaces, view, ids, soil, sun)
    return take_photo(film, light, height, camera, side), boxes


def _draw_slant(random: np.random.Generator, source: Source) -> tuple[float, float]:
    """Return how far the camera looks to the side."""
    angle, much = random.uniform(0, 2 * np.pi), source.slant * random.uniform(0.6, 1.25)
    return float(much * np.cos(angle)), float(much * np.sin(angle))


def _draw_sun(random: np.random.Generator, source: Source, scale: float) -> Sun:
    """Return sun and sky of one photo; under clouds, shadows have no edge."""
    angle, slope = random.uniform(0, 2 * np.pi), 1 / np.tan(np.radians(random.uniform(*source.sun)))
    overcast = random.uniform(*source.overcast)
    edge = (1.2 + 9.0 * overcast) * scale
    return Sun((float(slope * np.cos(angle)), float(slope * np.sin(angle))), float(overcast), float(edge))


def _draw_camera(random: np.random.Generator, source: Source) -> Camera:
    """Return exposure, lens and sensor of one photo."""
    limits = (source.bright, source.warm, source.blur, source.noise)
    bright, warm, blur, noise = (float(random.uniform(*each)) for each in limits)
    depth, vignette = float(random.gamma(2.0, 0.5)), float(random.uniform(0, 0.35))
    return Camera(bright, warm, blur, noise, depth, vignette)
