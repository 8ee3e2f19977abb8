"""Light on the scene: sun with shadows, sky that reaches less the deeper a place lies, gloss, light through leaves."""

import numpy as np
from jaxtyping import Bool, Float32
from PIL import Image as Pictures
from PIL import ImageFilter

from spica.labels.fields.noise import Texture, value_noise
from spica.labels.fields.pixels import CHANGE, COLOUR, IS_GRAIN, MARKS, SHEER, SHINE, VEINS, Pixels, tabulate
from spica.labels.fields.shadows import ROWS, Sun, cast_shadows
from spica.labels.fields.soil import Soil
from spica.labels.fields.surfaces import Surfaces
from spica.labels.fields.views import Ids, View

SUN_COLOUR = np.array([1.0, 0.95, 0.86], dtype=np.float32)
SKY_COLOUR = np.array([0.86, 0.97, 1.14], dtype=np.float32)
LEAF_FILTER = np.array([0.85, 1.0, 0.35], dtype=np.float32)  # light that came through a leaf is yellow-green
SUN_STRENGTH = 3.4  # of direct sun on a clear day, where the sky gives CLEAR_SKY and an overcast one CLOUDS more
CLEAR_SKY, CLOUDS = 0.26, 0.80
NEAR, WIDE = 0.012, 0.045  # shares of the side over which a place is compared with its surroundings
Picture = Float32[np.ndarray, "rows columns 3"]


def light_scene(
    random: np.random.Generator, surfaces: Surfaces, view: View, ids: Ids, soil: Soil, sun: Sun
) -> tuple[Picture, Texture]:
    """Return linear colour and height of each pixel; `ids` is what `paint` made of `view`."""
    rows, columns = ids.shape
    table = tabulate(surfaces, view)
    heights = np.concatenate([[0.0], surfaces.center[:, 2]]).astype(np.float32)
    sky = _open_sky(heights[ids], float(heights.max()))
    shadows = cast_shadows(surfaces, sun, (rows, columns), view.slant)
    mottle = 1 + 0.05 * value_noise(random, rows, columns, 2.2) + 0.09 * value_noise(random, rows, columns, 14.0)
    colour, height = np.empty((*ids.shape, 3), dtype=np.float32), np.empty(ids.shape, dtype=np.float32)
    for top in range(0, rows, ROWS):
        strip = slice(top, top + ROWS)
        pixels = Pixels(ids[strip], table, (0.0, float(top)))
        ground = ids[strip] == 0
        height[strip] = np.where(ground, soil.relief[strip], pixels.height())
        lit = shadows.lit(pixels, height[strip], view.slant)
        lit *= 0.35 + 0.65 * np.sqrt(sky[strip])  # deep places are shaded by leaves too fine to be drawn, too
        albedo = np.where(ground[..., None], soil.colour[strip], _albedo(pixels)) * mottle[strip, :, None]
        colour[strip] = _shade(pixels, albedo, _normal(pixels, ground, soil.slope[:, strip]), sun, (lit, sky[strip]))
    return colour, height


def _normal(
    pixels: Pixels, ground: Bool[np.ndarray, "rows columns"], slope: Float32[np.ndarray, "2 rows columns"]
) -> Float32[np.ndarray, "3 rows columns"]:
    """Return the unit normal at each pixel of plants and ground."""
    normal = pixels.normal()
    normal[:2] = np.where(ground, -slope, normal[:2])
    normal[2] = np.where(ground, 1.0, normal[2])
    return np.asarray(normal / np.sqrt((normal**2).sum(axis=0) + 1e-6), dtype=np.float32)


def _albedo(pixels: Pixels) -> Picture:
    """Return the colour of plants in even light: veins on leaves and glumes, dark bases of florets."""
    along, across, grain = pixels.mix(MARKS), pixels.mix(MARKS + 3), pixels.get(IS_GRAIN)
    rib = np.exp(-((across / 0.09) ** 2))  # midrib of a leaf, keel of a glume
    stripes = 1 + pixels.get(VEINS) * (0.55 * rib + 0.16 * np.sin(across * (22 - 12 * grain)))
    socket = 1 - grain * 0.55 * np.clip(0.25 - along, 0, 1)
    tone = stripes * socket
    colour = np.stack([(pixels.get(COLOUR + k) + pixels.get(CHANGE + k) * along) * tone for k in range(3)], axis=-1)
    return np.asarray(np.maximum(colour, np.float32(0.002)))


def _shade(
    pixels: Pixels,
    albedo: Picture,
    normal: Float32[np.ndarray, "3 rows columns"],
    sun: Sun,
    reach: tuple[Texture, Texture],
) -> Picture:
    """Return the linear colour of each pixel; `reach` is the share of sun and of sky that gets there."""
    ray = np.array([-sun.slant[0], -sun.slant[1], 1.0], dtype=np.float32)
    ray /= np.linalg.norm(ray)
    facing = np.tensordot(ray, normal, axes=1)
    direct = reach[0] * np.float32(SUN_STRENGTH * (1 - sun.overcast))
    ambient = np.float32(CLEAR_SKY + CLOUDS * sun.overcast) * reach[1] * (0.62 + 0.38 * normal[2])
    light = (np.maximum(facing, 0) * direct)[..., None] * SUN_COLOUR + ambient[..., None] * SKY_COLOUR
    light += (np.maximum(-facing, 0) * pixels.get(SHEER) * direct)[..., None] * LEAF_FILTER
    half = ray + np.array([0, 0, 1], dtype=np.float32)
    gloss = np.maximum(np.tensordot(half / np.linalg.norm(half), normal, axes=1), 0) ** 14
    shine = pixels.get(SHINE) * (0.08 * gloss * direct + 0.025 * ambient)
    return np.asarray(albedo * light + shine[..., None] * SKY_COLOUR, dtype=np.float32)


def _open_sky(height: Texture, highest: float) -> Texture:
    """Return how much sky a place sees, 0 to 1: less where its surroundings are higher and near the ground."""
    rows, columns = height.shape
    scale = 255.0 / max(highest, 1.0)
    small = Pictures.fromarray(np.clip(height * scale, 0, 255).astype(np.uint8)).reduce(4)
    around = np.zeros((rows, columns), dtype=np.float32)
    for share, weight in ((NEAR, 0.45), (WIDE, 0.55)):
        soft = small.filter(ImageFilter.GaussianBlur(share * columns / 4))
        around += np.float32(weight / scale) * np.asarray(soft.resize((columns, rows), Pictures.Resampling.BILINEAR))
    below = np.clip((around - height) / np.float32(0.42 * max(highest, 1.0)), 0, 1)
    deep = np.clip(height / np.float32(max(highest, 1.0)), 0, 1)
    return np.asarray((1 - 0.92 * below) * (0.10 + 0.90 * deep**1.5), dtype=np.float32)
