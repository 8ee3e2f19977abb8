"""How sure a score is: bootstrap intervals over images."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from spica.scoring.rules import Rule

SAMPLES = 1_000  # limits of a 95 % interval then vary by about a tenth of its width
_LIMITS = (0.025, 0.975)


def score_interval(
    scores: Float[np.ndarray, " images"], sources: Sequence[str], rule: Rule, *, samples: int = SAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the mean score, images drawn with replacement.

    Where the rule takes means of sources, images are drawn within each source. Left-out images (NaN) do not take part;
    (NaN, NaN) if none is left. The interval speaks of other photos of the same fields, not of other fields.

    Source: Efron 1979, Bootstrap methods: another look at the jackknife; percentile interval.
    """
    counted = ~np.isnan(scores)
    if not counted.any():
        return np.nan, np.nan
    names = np.zeros(len(scores)) if rule.mean == "images" else np.unique(np.array(sources), return_inverse=True)[1]
    groups = [scores[(names == name) & counted] for name in np.unique(names[counted])]
    generator = np.random.default_rng(seed)
    means = [_resampled_means(group, samples, generator) for group in groups]
    low, high = np.quantile(np.mean(means, axis=0), _LIMITS)
    return float(low), float(high)


def _resampled_means(
    scores: Float[np.ndarray, " n"], samples: int, generator: np.random.Generator
) -> Float[np.ndarray, " samples"]:
    draws = (scores[generator.integers(len(scores), size=len(scores))].mean() for _ in range(samples))
    return np.fromiter(draws, dtype=np.float64, count=samples)
