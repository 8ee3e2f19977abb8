"""How one photo lies on another, found by their pixels: distinctive places of both that look alike and fit together.

Scikit-image is optional: whatever needs it is imported inside functions.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Integer, UInt8

from spica.errors import needing
from spica.image import Image
from spica.images import read_photo, resized

SIDE = 640  # pixels of a photo's longer side: a second or two a photo, and a tenth of a photo still shows enough
MOST_FEATURES = 1_500  # of a photo, 200 kB; the largest, which blur and wind spare longest
LEAST_FITTING = 15  # places that fit together; different photos of one field had 5 at most: docs/counting.md
LEAST_PART_FITTING = 0.2  # of all that look alike
LEAST_SPREAD = 0.2  # of the shared ground lies between fitting places; a shadow of the drone is on a spot alone
_MOST_ALIKE = 0.8  # distance to the most similar place, divided by that to the next. Source: Lowe, IJCV 2004, figure 11
_ROUGHLY, _FINELY = 0.015, 0.0075  # of the longer side: relief and tilt leave that much after turning and scaling
_MOST_SCALE = 1.5  # between two photos: the drone flew half as high again
_MOST_TILT = 1.3  # how much larger one edge of a photo may be shown than the opposite one
_TRIALS = 240  # of two places: with a fifth of them fitting, all trials miss in 1 of 18,000 cases
_SEED = 0  # same photos, same result
_GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
_GRID = 32  # points along each side of a photo at which shares of it are taken


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """The distinctive places of a photo of that size: where they lie, x and y in its pixels, and how each looks."""

    width: int
    height: int
    places: Float[np.ndarray, "n 2"]
    looks: UInt8[np.ndarray, "n 128"]


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """Where the pixels of one photo lie on another: a projective `map`, and how many places fit it."""

    map: Float[np.ndarray, "3 3"]
    fitting: int

    def moved(self, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Return where points of the one photo lie on the other; NaN for those that it could never show."""
        found = np.column_stack([points, np.ones(len(points))]) @ self.map.T
        depth = np.where(found[:, 2:] > 0, found[:, 2:], np.nan)
        return np.asarray(found[:, :2] / depth)

    def inverse(self) -> "Registration":
        """Return how the other photo lies on the one."""
        return Registration(_normal(np.linalg.inv(self.map)), self.fitting)

    def then(self, onward: "Registration") -> "Registration":
        """Return how the one photo lies on a third, on which the other lies as `onward` says."""
        return Registration(_normal(onward.map @ self.map), min(self.fitting, onward.fitting))


def features_of(path: Path) -> Features:
    """Return the distinctive places of a photo, none if it shows nothing distinctive.

    Raises:
        ImageError: as `spica.images.read_image`.
        MissingExtraError: if scikit-image is not installed.
    """
    photo = read_photo(path, SIDE)
    pixels = resized(photo.pixels, min(SIDE, max(photo.pixels.shape[:2])))
    places, looks = _distinctive(pixels)
    scale = np.array([photo.width / pixels.shape[1], photo.height / pixels.shape[0]])
    # Pixels are squares: the middle of the first one is at 0.5, which SIFT calls 0.
    return Features(photo.width, photo.height, (places + 0.5) * scale, looks)


def registered(one: Features, other: Features) -> Registration | None:
    """Return how one photo lies on another, or None if they do not show the same ground for certain.

    Places that look alike are fitted by turning, scaling and shifting, then by a projective map, for a camera that is
    not straight above. It is refused if too few places fit, or on a small part of the shared ground only, or if it
    scales or tilts more than two photos of one flight.

    Raises:
        MissingExtraError: if scikit-image is not installed.
    """
    pairs = _alike(one.looks, other.looks)
    if len(pairs) < LEAST_FITTING:
        return None
    source, target = one.places[pairs[:, 0]], other.places[pairs[:, 1]]
    fits = _roughly_fitting(source, target, max(other.width, other.height))
    if int(fits.sum()) < _least(len(pairs)):
        return None
    found = _fitted(source, target, fits, max(other.width, other.height))
    if found is None or not _is_plausible(*found, one, other, len(pairs)):
        return None
    return found[0]


def shared_part(lies: Registration, width: int, height: int, other: tuple[int, int]) -> float:
    """Return which part of a photo of that size the `other` one shows as well, by its width and height; in [0, 1]."""
    return float(inside(lies.moved(grid(width, height)), *other).mean())


def inside(points: Float[np.ndarray, "n 2"], width: int, height: int, margin: float = 0.0) -> Bool[np.ndarray, " n"]:
    """Return which points lie on a photo of that size, or within a margin around it; NaN do not."""
    low, high = -margin, np.array([width, height]) + margin
    return np.asarray(((points >= low) & (points <= high)).all(axis=1))


def grid(width: int, height: int, margin: float = 0.0) -> Float[np.ndarray, "n 2"]:
    """Return points spread evenly over a photo of that size and a margin around it: the middles of its squares."""
    steps = (np.arange(_GRID) + 0.5) / _GRID
    across = steps * (width + 2 * margin) - margin
    down = steps * (height + 2 * margin) - margin
    return np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)


def _distinctive(pixels: Image) -> tuple[Float[np.ndarray, "n 2"], UInt8[np.ndarray, "n 128"]]:
    """Return the largest distinctive places of a photo, x and y, and their descriptors."""
    with needing("ground", "finding what photos share"):
        from skimage.feature import SIFT
    grey = pixels.astype(np.float32) @ _GREY
    low, high = np.percentile(grey, [1, 99])
    sift = SIFT(upsampling=1)  # twice the pixels would show finer places, in four times the time
    if min(grey.shape) >= 2 * sift.n_bins and high > low:
        try:
            # Contrast to the full range: dull light loses no places.
            sift.detect_and_extract(np.clip((grey - low) / (high - low), 0, 1))
        except RuntimeError:  # how it says that there is nothing distinctive
            pass
        else:
            largest = np.argsort(-sift.sigmas, kind="stable")[:MOST_FEATURES]
            return sift.positions[largest, ::-1].astype(np.float64), sift.descriptors[largest].astype(np.uint8)
    return np.zeros((0, 2)), np.zeros((0, 128), dtype=np.uint8)


def _alike(one: UInt8[np.ndarray, "n 128"], other: UInt8[np.ndarray, "m 128"]) -> Integer[np.ndarray, "k 2"]:
    """Return which places of two photos look alike: each the most similar to the other, and clearly so."""
    with needing("ground", "finding what photos share"):
        from skimage.feature import match_descriptors
    if min(len(one), len(other)) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    return np.asarray(match_descriptors(one, other, max_ratio=_MOST_ALIKE), dtype=np.int64)


def _least(alike: int) -> float:
    """Return how many places must fit if that many look alike."""
    return max(LEAST_FITTING, LEAST_PART_FITTING * alike)


def _roughly_fitting(
    source: Float[np.ndarray, "n 2"], target: Float[np.ndarray, "n 2"], side: int
) -> Bool[np.ndarray, " n"]:
    """Return which places fit best by turning, scaling and shifting alone.

    Source: Fischler and Bolles, Random sample consensus, CACM 1981.
    """
    with needing("ground", "finding what photos share"):
        from skimage.measure import ransac
        from skimage.transform import SimilarityTransform
    _, fits = ransac(
        (source, target),
        SimilarityTransform,
        2,
        _ROUGHLY * side,
        max_trials=_TRIALS,
        stop_probability=0.9999,
        rng=_SEED,
    )
    return np.zeros(len(source), dtype=bool) if fits is None else np.asarray(fits)


def _fitted(
    source: Float[np.ndarray, "n 2"], target: Float[np.ndarray, "n 2"], fits: Bool[np.ndarray, " n"], side: int
) -> tuple[Registration, Float[np.ndarray, "k 2"]] | None:
    """Return the projective map by the places that fit it finely, and these places of the first photo."""
    from skimage.transform import ProjectiveTransform

    for tolerance in (_ROUGHLY, _FINELY, _FINELY):
        found = ProjectiveTransform.from_estimate(source[fits], target[fits])
        if not found or not np.isfinite(found.params).all():
            return None
        lies = Registration(_normal(found.params), int(fits.sum()))
        with np.errstate(invalid="ignore"):
            fits = np.linalg.norm(lies.moved(source) - target, axis=1) < tolerance * side
        if int(fits.sum()) < LEAST_FITTING:
            return None
    return Registration(lies.map, int(fits.sum())), source[fits]


def _is_plausible(
    lies: Registration, places: Float[np.ndarray, "k 2"], one: Features, other: Features, alike: int
) -> bool:
    """Return whether a map can be that of two photos from above, and its places are all over the ground they share."""
    from scipy.spatial import ConvexHull, QhullError

    if lies.fitting < _least(alike) or not _is_gentle(lies.map, one.width, one.height):
        return False
    share = shared_part(lies, one.width, one.height, (other.width, other.height))
    try:
        between = ConvexHull(places).volume  # of a flat shape this is its area
    except QhullError:  # all on one line
        return False
    return bool(between >= LEAST_SPREAD * share * one.width * one.height)


def _is_gentle(map_: Float[np.ndarray, "3 3"], width: int, height: int) -> bool:
    """Return whether a map mirrors nothing, and scales and tilts a photo of that size by little."""
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], dtype=np.float64)
    depths = corners @ map_[2]
    if depths.min() <= 0 or depths.max() > _MOST_TILT * depths.min():
        return False
    x, y = (corners @ map_[:2].T / depths[:, None]).T
    area = float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2  # below 0 if mirrored
    scale = math.sqrt(max(area, 0.0) / (width * height))
    return 1 / _MOST_SCALE < scale < _MOST_SCALE


def _normal(map_: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 3"]:
    """Return the same map, with 1 for the depth of the photo's first corner."""
    return np.asarray(map_ / map_[2, 2])
