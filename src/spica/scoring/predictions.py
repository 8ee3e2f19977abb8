"""What can be scored: the detections on each labelled image, in the order of the labels or by the images' ids."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from spica.detections import Detections
from spica.labels.labelled import LabelledImage

Found: TypeAlias = Sequence[Detections] | Mapping[str, Detections]

_SHOWN = 3  # ids named in a message


def aligned(found: Found, labels: Sequence[LabelledImage]) -> tuple[Detections, ...]:
    """Return one `Detections` for each labelled image, in the order of the labels.

    An image on which nothing was found needs its own, empty, detections: what is missing is an error, never a zero.

    Raises:
        ValueError: if the numbers differ, or an id is missing from or unknown to the labels.
    """
    if not isinstance(found, Mapping):
        if len(found) != len(labels):
            raise ValueError(f"there are {len(found)} detections for {len(labels)} labelled images, expected as many")
        return tuple(found)
    known = {image.id for image in labels}
    missing = [image.id for image in labels if image.id not in found]
    unknown = [name for name in found if name not in known]
    for problem, ids in (("no detections for", missing), ("detections for unlabelled", unknown)):
        if ids:
            raise ValueError(f"{problem} {len(ids)} image(s), first {', '.join(ids[:_SHOWN])}; expected each once")
    return tuple(found[image.id] for image in labels)
