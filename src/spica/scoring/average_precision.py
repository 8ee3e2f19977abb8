"""COCO's average precision, for as many boxes as a field of wheat holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from spica.boxes import area, corner_and_size_from_boxes
from spica.detections import Detections
from spica.errors import MissingExtraError
from spica.labels.labelled import LabelledImage
from spica.scoring.predictions import Found, aligned

MOST_DETECTIONS = 1_000  # COCO's own 100 would cut what a dense photo holds

_HEAD = 1  # number of the only category
_AREAS = ("all", "small", "medium", "large")  # COCO's: split at 32 x 32 and 96 x 96 pixels


@dataclass(frozen=True, slots=True)
class AveragePrecision:
    """Average precision in [0, 1], NaN where there are no heads (of that size).

    `ap` is the mean over IoU 0.50, 0.55 ... 0.95; `ap50` and `ap75` are at one IoU. `small`, `medium` and `large` are
    means over IoU for heads below 32 x 32 pixels, up to 96 x 96, and above.
    """

    ap: float
    ap50: float
    ap75: float
    small: float
    medium: float
    large: float


def average_precision(
    found: Found, labels: Sequence[LabelledImage], *, most_detections: int = MOST_DETECTIONS
) -> AveragePrecision:
    """Return COCO's average precision of all detections, down to the lowest score.

    Of each image the `most_detections` with the highest scores count.

    Raises:
        MissingExtraError: if faster-coco-eval is not installed.

    Source: Lin et al. 2014, Microsoft COCO; computed by faster-coco-eval.
    """
    coco = _faster_coco_eval()
    detections = aligned(found, labels)
    if not any(image.heads for image in labels):
        return AveragePrecision(*[np.nan] * 6)
    if not any(len(one) for one in detections):
        return AveragePrecision(*(_nothing_found(labels)))
    truth = coco.COCO(_coco_truth(labels))
    results = truth.loadRes([entry for number, one in enumerate(detections, 1) for entry in one.to_coco(number, _HEAD)])
    evaluation = coco.COCOeval_faster(truth, results, "bbox", print_function=_silent)
    evaluation.params.maxDets = [most_detections]
    evaluation.evaluate()
    evaluation.accumulate()
    return _summary(np.asarray(evaluation.eval["precision"]), evaluation.params)


def average_precision_by_source(
    found: Found, labels: Sequence[LabelledImage], *, most_detections: int = MOST_DETECTIONS
) -> dict[str, AveragePrecision]:
    """Return the average precision on the images of each source, sources in alphabetical order.

    Raises:
        MissingExtraError: if faster-coco-eval is not installed.
    """
    _faster_coco_eval()
    by_source: dict[str, list[tuple[Detections, LabelledImage]]] = {}
    for one, image in zip(aligned(found, labels), labels, strict=True):
        by_source.setdefault(image.source, []).append((one, image))
    return {
        source: average_precision(
            [one for one, _ in by_source[source]],
            [image for _, image in by_source[source]],
            most_detections=most_detections,
        )
        for source in sorted(by_source)
    }


def _faster_coco_eval() -> ModuleType:
    try:
        import faster_coco_eval
    except ImportError as error:
        raise MissingExtraError(
            "average precision needs faster-coco-eval, which is not installed; pip install 'spica-wheat[evaluate]'"
        ) from error
    return faster_coco_eval  # type: ignore[no-any-return]


def _silent(*_: object) -> None:
    """Take what the library would print."""


def _coco_truth(labels: Sequence[LabelledImage]) -> dict[str, Any]:
    """Return the labels as COCO has them, images numbered from 1."""
    annotations: list[dict[str, Any]] = []
    for number, image in enumerate(labels, 1):
        for row, size in zip(corner_and_size_from_boxes(image.boxes).tolist(), _areas(image), strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": _HEAD,
                    "bbox": row,
                    "area": size,
                    "iscrowd": 0,
                }
            )
    images = [{"id": number, "width": image.width, "height": image.height} for number, image in enumerate(labels, 1)]
    return {"images": images, "annotations": annotations, "categories": [{"id": _HEAD, "name": "wheat head"}]}


def _areas(image: LabelledImage) -> list[float]:
    return [float(size) for size in area(image.boxes.astype(np.float64))]


def _summary(precision: np.ndarray, parameters: Any) -> AveragePrecision:
    """Return means of COCO's table of precisions: IoU, recall, category, area, number of detections."""
    ious = np.round(parameters.iouThrs, 2)
    by_area = [precision[:, :, 0, parameters.areaRngLbl.index(name), -1] for name in _AREAS]
    every, *sizes = by_area
    rows = [every, every[ious == 0.5], every[ious == 0.75], *sizes]
    return AveragePrecision(*(_mean(row) for row in rows))


def _mean(precision: np.ndarray) -> float:
    known = precision[precision > -1]  # -1: no heads of that size
    return float(known.mean()) if known.size else np.nan


def _nothing_found(labels: Sequence[LabelledImage]) -> list[float]:
    """Return zeros, and NaN for sizes of which there are no heads; faster-coco-eval takes no empty results."""
    sizes = np.array([size for image in labels for size in _areas(image)])
    limits = ((0.0, 32.0**2), (32.0**2, 96.0**2), (96.0**2, np.inf))
    exists = [bool(((sizes >= low) & (sizes <= high)).any()) for low, high in limits]
    return [0.0, 0.0, 0.0, *(0.0 if there else np.nan for there in exists)]
