"""The camera: exposure, white balance, lens and sensor turn light into a photo."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32
from PIL import Image as Pictures
from PIL import ImageFilter

from spica.image import Image
from spica.labels.fields.noise import Texture, value_noise

GAMMA = 2.2  # close to the curve of sRGB
BRIGHTEST = 0.92  # value that one hundredth of a photo exceeds at most: heads in the sun keep their texture
LUMA = np.array([0.30, 0.59, 0.11], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Camera:
    """`bright`: value (0 to 1) that the brightest twentieth of the photo reaches; `blur` in pixels of a 1024 px photo.

    `warm` shifts white towards yellow (above 0) or blue; `depth` blurs what is low, `vignette` darkens the corners.
    """

    bright: float
    warm: float
    blur: float
    noise: float
    depth: float
    vignette: float


def take_photo(
    random: np.random.Generator,
    light: Float32[np.ndarray, "rows columns 3"],
    height: Texture,
    camera: Camera,
    side: int,
) -> Image:
    """Return the photo, `side` pixels wide and high, of a picture in linear colours that is finer."""
    values = _develop(light, camera)
    photo = Pictures.fromarray(values).resize((side, side), Pictures.Resampling.BOX)
    blur = camera.blur * side / 1024
    sharp = photo.filter(ImageFilter.GaussianBlur(blur)) if blur > 0.15 else photo
    deep = photo.filter(ImageFilter.GaussianBlur(blur + camera.depth * side / 1024))
    low = 1 - np.clip(height / max(float(height.max()) * 0.75, 1.0), 0, 1)
    mask = Pictures.fromarray((low * 255).astype(np.uint8)).resize((side, side), Pictures.Resampling.BOX)
    return _add_noise(random, np.asarray(Pictures.composite(deep, sharp, mask)), camera.noise)


def _develop(light: Float32[np.ndarray, "rows columns 3"], camera: Camera) -> Image:
    """Return 8-bit values: exposed, white-balanced, dark in the corners, highlights rolled off."""
    rows, columns = light.shape[:2]
    # Means of 2 x 2 pixels, as many as the photo will have, at every third place.
    luma = (light[:-1:6, :-1:6] + light[1::6, :-1:6] + light[:-1:6, 1::6] + light[1::6, 1::6]) @ (LUMA / 4)
    # The curve below gives 1 - exp(-x): solve it for the wanted values. Where heads are few, they set the limit.
    most, limit = (float(-np.log(1 - min(value, 0.97) ** GAMMA)) for value in (camera.bright, BRIGHTEST))
    high, highest = np.percentile(luma, (95, 99))
    gain = min(most / max(high, 1e-4), limit / max(highest, 1e-4))
    white = np.exp(np.float32(camera.warm) * np.array([1.0, 0.25, -1.0], dtype=np.float32)) * np.float32(gain)
    y = np.linspace(-1, 1, rows, dtype=np.float32)[:, None] ** 2
    x = np.linspace(-1, 1, columns, dtype=np.float32)[None, :] ** 2
    corner = 1 - np.float32(camera.vignette) * (x + y) / 2
    exposed = 1 - np.exp(-light * white * corner[..., None])
    levels = (np.linspace(0, 1, 4096) ** (1 / GAMMA) * 255 + 0.5).astype(np.uint8)
    return np.asarray(np.take(levels, (exposed * 4095).astype(np.int16)))


def _add_noise(random: np.random.Generator, photo: Image, noise: float) -> Image:
    """Return the photo with grain, stronger in the shadows and partly smeared, as cameras denoise."""
    rows, columns = photo.shape[:2]
    fine = random.standard_normal((rows, columns, 3), dtype=np.float32)
    coarse = value_noise(random, rows, columns, 2.0)[..., None]
    values = photo + (fine * 0.5 + coarse) * np.float32(noise * 180) * (1.25 - photo / np.float32(340))
    return np.asarray(np.clip(values + 0.5, 0, 255), dtype=np.uint8)
