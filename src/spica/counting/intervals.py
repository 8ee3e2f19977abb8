"""How sure a count is: an estimate and its interval, calibrated on fields that the detector never saw.

A count is off for two reasons. Every photo has its own errors, which average out over many photos; and a field (its
variety, light and camera) has an error that all its photos share, which does not. Hence the width

    spread² = (between * heads)² + within² * (heads + photos)

times a reach which is not taken from a normal distribution but from the photos themselves (conformal).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Integer

LEVELS = (0.9, 0.95)
OUTSIDE = 0.2  # relative error added where heads are larger or smaller than those known: docs/counting.md
LEAST_WITHIN = 0.05  # of a hundred heads, half a head: labels themselves are not surer
LEAST_SOURCES = 3


@dataclass(frozen=True, slots=True)
class CountModel:
    """What is known of a detector's counts at its threshold.

    `correction` is how many heads there are for each one found, as the mean of sources; `between` the relative error
    that the photos of a source share, as a standard deviation; `within` the error of a photo, as a standard deviation
    divided by the root of its heads + 1; `reach_90` and `reach_95` how many spreads a 90 or 95 % interval reaches.
    """

    correction: float
    between: float
    within: float
    reach_90: float
    reach_95: float

    def spread(
        self, heads: Float[np.ndarray, " n"], photos: float = 1, outside: float = 0.0
    ) -> Float[np.ndarray, " n"]:
        """Return the standard deviation of corrected counts that are sums over `photos` photos, or parts of them."""
        shared = (self.between**2 + outside**2) * heads**2
        return np.asarray(np.sqrt(shared + self.within**2 * (heads + photos)))


@dataclass(frozen=True, slots=True)
class Estimate:
    """How many heads there are: the best estimate, and the limits of its interval."""

    heads: float
    low: float
    high: float


def calibrate(
    found: Integer[np.ndarray, " photos"], true: Integer[np.ndarray, " photos"], sources: Sequence[str]
) -> CountModel | None:
    """Return what found and true counts of photos say; best of photos of sources that the detector never saw.

    None if fewer than three sources have heads, found and labelled: they say nothing of how much fields differ.

    The reaches are quantiles of |true - corrected| / spread over all photos, where the spread of a source's photos
    comes from the other sources alone, and each source has the same weight: an interval then holds for a field that is
    as far from the known ones as these are from each other.

    Source: Vovk et al., Algorithmic Learning in a Random World, 2005 (conformal); Barber et al., Predictive inference
    with the jackknife+, Annals of Statistics 2021.
    """
    names = np.array(sources, dtype=object)
    used = [name for name in sorted(set(sources)) if _has_heads(found, true, names == name)]
    if len(used) < LEAST_SOURCES:
        return None
    far: list[Float[np.ndarray, " _"]] = []
    for name in used:
        own = names == name
        others = _fitted(found, true, names, [other for other in used if other != name])
        corrected = others.correction * found[own]
        far.append(np.abs(true[own] - corrected) / others.spread(corrected))
    return replace(_fitted(found, true, names, used), reach_90=_quantile(far, 0.9), reach_95=_quantile(far, 0.95))


def counted(model: CountModel, found: float, *, level: float = 0.9, photos: float = 1, known: bool = True) -> Estimate:
    """Return how many heads there are if `found` were found on some photos of one field; limits are not below 0.

    `known` is false if the heads are larger or smaller than those the detector knows: the interval is then wider.

    Raises:
        ValueError: if the level is another one than 0.9 and 0.95.
    """
    if level not in LEVELS:
        raise ValueError(f"level is {level}, expected 0.9 or 0.95")
    heads = model.correction * found
    spread = float(model.spread(np.array([heads]), photos, 0.0 if known else OUTSIDE)[0])
    reach = (model.reach_90 if level == LEVELS[0] else model.reach_95) * spread
    return Estimate(heads, max(0.0, heads - reach), heads + reach)


def _fitted(
    found: Integer[np.ndarray, " n"], true: Integer[np.ndarray, " n"], names: np.ndarray, used: Sequence[str]
) -> CountModel:
    """Return correction and errors, as plain means over sources; the reaches are still to be found."""
    ratios = {name: float(true[names == name].sum() / found[names == name].sum()) for name in used}
    correction = float(np.mean(list(ratios.values())))
    between = float(np.sqrt(np.mean([(ratio / correction - 1) ** 2 for ratio in ratios.values()])))
    squares = []
    for name, ratio in ratios.items():
        own = found[names == name] * ratio
        squares.append(float(np.mean((true[names == name] - own) ** 2 / (own + 1))))
    return CountModel(correction, between, max(LEAST_WITHIN, float(np.sqrt(np.mean(squares)))), np.nan, np.nan)


def _quantile(groups: Sequence[Float[np.ndarray, " _"]], level: float) -> float:
    """Return the least value that at least `level` of all are not above, where each group weighs the same."""
    values = np.concatenate(groups)
    weights = np.concatenate([np.full(len(group), 1 / (len(group) * len(groups))) for group in groups])
    order = np.argsort(values, kind="stable")
    reached = int(np.searchsorted(np.cumsum(weights[order]), level - 1e-9))  # sums of fractions are a little off
    return float(values[order[min(reached, len(values) - 1)]])


def _has_heads(found: Integer[np.ndarray, " n"], true: Integer[np.ndarray, " n"], own: Bool[np.ndarray, " n"]) -> bool:
    return bool(found[own].sum() and true[own].sum())
