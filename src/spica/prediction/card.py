"""The card: what weights and model files say of themselves."""

from dataclasses import asdict, dataclass, field
from typing import Any

import spica
from spica.counting.intervals import CountModel
from spica.errors import WeightsError

DEFAULT_THRESHOLD = 0.5  # of weights whose card states none


@dataclass(frozen=True, slots=True)
class Card:
    """What weights say of themselves; everything in it travels with them."""

    threshold: float = DEFAULT_THRESHOLD
    """Recommended score threshold, chosen on validation photos."""
    scores: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    """By part (`validation` chose the threshold, `held_out` chose nothing), then by source and `all`: `images`,
    `heads`, `score` (rule kaggle), `relative_bias` and `relative_rmse` of counts."""
    backbone: str = "none"
    """Weights that the backbone started from."""
    licence: str = "none"
    """Licence of those weights."""
    trained_on: str = ""
    """Training data, in words."""
    data_licence: str = "unknown"
    """Licence and attribution of the training data."""
    recipe: str = ""
    """Name of the recipe."""
    side: int = 0
    """The network looks at photos whose longer side has this many pixels; 0 if not stated."""
    head_sides: tuple[float, float] | None = None
    """Range of a photo's median head that the training covers: square root of its area, in pixels of the resized photo.
    None if not stated."""
    counts: CountModel | None = None
    """What is known of counts at that threshold: how they are corrected, and how sure they are. None if too few sources
    were held out."""
    date: str = ""
    """When it was trained: YYYY-MM-DD."""
    version: str = spica.__version__

    def to_dict(self) -> dict[str, Any]:
        """Return the card as JSON knows it; the inverse of `card_from`."""
        return asdict(self)


def card_from(content: Any, name: str) -> Card:
    """Return the card in what was read from a file; `name` says in errors which one.

    Raises:
        WeightsError: if it is the card of another version of Spica.
    """
    try:
        sides, counts = (({**content}).get(name) for name in ("head_sides", "counts"))
        # JSON knows neither tuples nor our values.
        made = {"head_sides": tuple(sides) if sides else None, "counts": CountModel(**counts) if counts else None}
        return Card(**{**content, **made})
    except TypeError as error:
        raise WeightsError(
            f"{name}: its card does not fit this version of Spica ({spica.__version__}): {error}; "
            "train or export it again"
        ) from error
