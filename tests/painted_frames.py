"""Frames of known corners painted into photos: bars with shades and shadows, and what grows there laid over them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFilter

from spica.image import Image

COLOURS = {
    "white": (235, 235, 228),
    "red": (190, 40, 35),
    "yellow": (225, 190, 30),
    "blue": (40, 80, 170),
    "grey": (140, 140, 142),
    "wood": (170, 125, 80),
}
_FINER = 2  # drawn at twice the size, so that edges are as soft as a camera's
_STRIPS = 12  # across a bar, each with its shade
_FAR = 3.0  # distance of the camera, in half longer sides of the frame
_LENGTHS = (0.4, 0.85)  # of the frame, in the photo's shorter side
_WIDTHS = (0.02, 0.07)  # of a bar, in the frame's shorter side
_TILT = 15.0  # degrees at most


@dataclass(frozen=True, slots=True)
class View:
    """How the plane of a frame is seen: turned, tilted by an angle toward a direction, in pixels."""

    turn: float
    tilt: float
    toward: float
    size: float
    centre: Float[np.ndarray, "2"]
    far: float

    def seen(self, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Return where points of the plane lie on the photo."""
        tilted = points @ _rotation(self.turn) @ _rotation(-self.toward)
        depth = 1 + tilted[:, 0] * np.sin(self.tilt) / self.far
        flat = np.stack([tilted[:, 0] * np.cos(self.tilt), tilted[:, 1]], axis=1) / depth[:, None]
        return np.asarray(flat @ _rotation(self.toward) * self.size + self.centre)


@dataclass(frozen=True, slots=True)
class Bar:
    """One side in the frame's plane: the ends of its inner edge, the directions along and outward, its width."""

    first: Float[np.ndarray, "2"]
    second: Float[np.ndarray, "2"]
    width: float

    @property
    def length(self) -> float:
        return float(np.linalg.norm(self.second - self.first))

    @property
    def along(self) -> Float[np.ndarray, "2"]:
        return np.asarray((self.second - self.first) / self.length)

    @property
    def out(self) -> Float[np.ndarray, "2"]:
        return np.array([self.along[1], -self.along[0]])


def paint_frame(
    photo: Image, random: np.random.Generator, colour: str, ratio: float = 1.0, hidden: float = 0.0, sides: int = 4
) -> tuple[Image, Float[np.ndarray, "4 2"]]:
    """Return the photo with a frame, and its inner corners: turned, tilted, shaded at random, with a shadow.

    Pieces of the photo lie over the bars until their widths add up to `hidden` of each; they may lie on one another.
    With fewer `sides` it is not a whole frame.
    """
    inner = np.array([[-ratio, -1], [ratio, -1], [ratio, 1], [-ratio, 1]], dtype=np.float64)
    view = _view(random, photo.shape[1], photo.shape[0], ratio)
    width = random.uniform(*_WIDTHS) * 2  # the shorter side is 2
    bars = [Bar(inner[side], inner[(side + 1) % 4], width) for side in range(4)]
    mask, shade = _drawn(bars[:sides], view, random, photo.shape)
    open_to_sky = 1 - _grown_over(bars, view, random, photo.shape, hidden)
    shadow = _soft(np.roll(mask, random.integers(-8, 9, 2) * max(1, min(photo.shape[:2]) // 512), (0, 1)))
    seen = (mask * open_to_sky)[..., None]
    ground = photo * (1 - 0.55 * shadow * open_to_sky)[..., None]
    light = _light(random, photo.shape)
    mixed = ground * (1 - seen) + np.array(COLOURS[colour]) * (shade * light)[..., None] * seen
    return (mixed + random.normal(0, 3, photo.shape)).clip(0, 255).astype(np.uint8), view.seen(inner)


def _rotation(angle: float) -> Float[np.ndarray, "2 2"]:
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]], dtype=np.float64)


def _view(random: np.random.Generator, width: int, height: int, ratio: float) -> View:
    """Return a view in which all of the frame is on the photo."""
    shorter, whole = min(width, height), np.array([width, height])
    outer = 1.16 * np.array([[-ratio, -1], [ratio, -1], [ratio, 1], [-ratio, 1]])  # with its bars
    while True:
        view = View(
            turn=random.uniform(0, 2 * np.pi),
            tilt=np.radians(random.uniform(0, _TILT)),
            toward=random.uniform(0, 2 * np.pi),
            size=random.uniform(*_LENGTHS) * shorter / 2 / ratio,
            centre=whole / 2 + random.uniform(-0.1, 0.1, 2) * shorter,
            far=_FAR * ratio,
        )
        if (view.seen(outer) > 2).all() and (view.seen(outer) < whole - 2).all():
            return view


def _drawn(
    bars: list[Bar], view: View, random: np.random.Generator, shape: tuple[int, ...]
) -> tuple[Float[np.ndarray, "height width"], Float[np.ndarray, "height width"]]:
    """Return how much of each pixel is bar, and how bright it is: flat, or round and lit from one side."""
    size = shape[1] * _FINER, shape[0] * _FINER
    mask, shade = Pillow.new("L", size, 0), Pillow.new("F", size, 1.0)
    round_bars, sun = random.random() < 0.5, random.uniform(0, 2 * np.pi)
    for bar in bars:
        lit = np.cos(np.arctan2(bar.out[1], bar.out[0]) - sun)
        for strip in range(_STRIPS):
            place = (strip + 0.5) / _STRIPS * 2 - 1
            bright = 0.72 + 0.28 * np.sqrt(1 - place**2) + 0.12 * lit * place if round_bars else 1.0
            edges = bar.width * strip / _STRIPS, bar.width * (strip + 1) / _STRIPS
            points = _points(view, _strip(bar, *edges), _FINER)
            ImageDraw.Draw(shade).polygon(points, fill=float(bright))
            ImageDraw.Draw(mask).polygon(points, fill=255)
    small = [image.resize((shape[1], shape[0]), Pillow.Resampling.BOX) for image in (mask, shade)]
    return np.asarray(small[0]) / 255, np.asarray(small[1], dtype=np.float64)


def _strip(bar: Bar, start: float, stop: float) -> Float[np.ndarray, "4 2"]:
    longer = bar.along * bar.width  # the bars of two sides share the corner
    first, second = bar.first - longer, bar.second + longer
    return np.array(
        [first + bar.out * start, second + bar.out * start, second + bar.out * stop, first + bar.out * stop]
    )


def _grown_over(
    bars: list[Bar], view: View, random: np.random.Generator, shape: tuple[int, ...], hidden: float
) -> Float[np.ndarray, "height width"]:
    """Return where leaves and heads lie over the bars: spindles of many sizes across them."""
    canvas = Pillow.new("L", (shape[1], shape[0]), 0)
    for bar in bars:
        covered = 0.0
        while covered < hidden * bar.length:
            thick = random.uniform(0.03, 0.2)
            middle = bar.first + bar.along * random.uniform(0, bar.length) + bar.out * bar.width / 2
            way = np.array([bar.along, bar.out]).T @ _rotation(random.uniform(-1, 1))[1]
            reach = bar.width / 2 + random.uniform(0.05, 0.4)
            across = np.array([-way[1], way[0]]) * thick / 2
            spindle = [middle - way * reach, middle + across, middle + way * reach, middle - across]
            ImageDraw.Draw(canvas).polygon(_points(view, np.array(spindle), 1), fill=255)
            covered += thick
    return np.asarray(canvas.filter(ImageFilter.GaussianBlur(0.7))) / 255


def _points(view: View, points: Float[np.ndarray, "n 2"], finer: int) -> list[tuple[float, float]]:
    return [(x, y) for x, y in (view.seen(points) * finer).tolist()]


def _soft(mask: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "height width"]:
    return np.asarray(Pillow.fromarray(np.uint8(mask * 255)).filter(ImageFilter.GaussianBlur(2))) / 255


def _light(random: np.random.Generator, shape: tuple[int, ...]) -> Float[np.ndarray, "height width"]:
    """Return light that changes slowly over the photo."""
    coarse = Pillow.fromarray(random.uniform(0.75, 1.15, (5, 5)).astype(np.float32))
    return np.asarray(coarse.resize((shape[1], shape[0]), Pillow.Resampling.BICUBIC), dtype=np.float64)
