"""What must not be trained on: photos of fields that are to judge."""

from collections.abc import Iterable

from spica.errors import AnnotationError
from spica.labels.annotations import UNKNOWN_SOURCE


def require_apart(held: Iterable[str], added: Iterable[str]) -> None:
    """Do nothing if none of the sources `held` out is among those of labels that are `added` to train on.

    Photos of unknown source, which is "unknown" or empty, may be of any field, so they say nothing.

    Raises:
        AnnotationError: if one is.
    """
    if both := sorted(set(held) & set(added) - {UNKNOWN_SOURCE, ""}):
        raise AnnotationError(
            f"photos of the source {both[0]!r} are added to train on, expected none since it is held out to judge by;"
            " leave them out of the added labels, or do not hold that source out"
        )
