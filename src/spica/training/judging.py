"""The judgement at the end of a training: the best weights on the photos that were held out."""

import json
from collections.abc import Sequence
from dataclasses import replace
from math import isfinite
from pathlib import Path

import torch

from spica.counting.intervals import CountModel, calibrate
from spica.detections import Detections
from spica.images import write_atomically
from spica.labels.folds import Parts
from spica.labels.labelled import LabelledImage
from spica.model.checkpoint import WEIGHTS_NAME, load_detect, save_weights
from spica.prediction.runtime import detect_file
from spica.scoring.counting import found_counts, head_counts
from spica.scoring.evaluation import Evaluation, evaluate

EVALUATION_NAME = "evaluation.json"  # written last: with it the run is complete
_ON_CARD = ("images", "heads", "score", "relative_bias", "relative_rmse")


def judge(out: Path, parts: Parts, device: torch.device) -> dict[str, Evaluation]:
    """Return the evaluations of a run's weights on the parts held out; write evaluation.json, and scores on the card.

    `validation` chose weights and threshold; `held_out` (whole sources) chose nothing.
    """
    detect = load_detect(out, str(device))
    threshold = detect.card.threshold
    judged, everything = {}, []
    for name, labels in (("validation", parts.held_fraction), ("held_out", parts.held_sources)):
        if labels:
            found = [detect_file(detect, image.path) for image in labels]
            judged[name] = evaluate(found, labels, threshold)
            everything += list(zip(found, labels, strict=True))
    scores = {name: _scores(evaluation) for name, evaluation in judged.items()}
    card = replace(detect.card, scores=scores, counts=_count_model(everything, threshold))
    save_weights(out / WEIGHTS_NAME, detect.detector, card)
    content = {name: json.loads(evaluation.to_json()) for name, evaluation in judged.items()}
    write_atomically(out / EVALUATION_NAME, json.dumps(content, indent=2).encode())
    return judged


def _count_model(judged: Sequence[tuple[Detections, LabelledImage]], threshold: float) -> CountModel | None:
    """Return what the photos held out say of counts, None if they are of too few sources."""
    found, labels = [one for one, _ in judged], [image for _, image in judged]
    counts = found_counts(found, labels, threshold)
    return calibrate(counts, head_counts(labels), [image.source for image in labels])


def _scores(evaluation: Evaluation) -> dict[str, dict[str, float]]:
    """Return what the card says of an evaluation: by source, numbers that exist."""
    rows = (evaluation.overall, *evaluation.sources)
    return {row.name: {name: value for name in _ON_CARD if isfinite(value := getattr(row, name))} for row in rows}
