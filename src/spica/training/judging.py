"""The judgement at the end of a training: the best weights on the photos that were held out."""

import json
from pathlib import Path

import torch

from spica.images import read_image, write_atomically
from spica.labels.folds import Parts
from spica.model.checkpoint import load_detect
from spica.scoring.evaluation import Evaluation, evaluate


def judge(out: Path, parts: Parts, device: torch.device) -> dict[str, Evaluation]:
    """Return the evaluations of a run's weights on the parts held out, and write them as evaluation.json.

    `validation` chose weights and threshold; `held_out` (whole sources) chose nothing.
    """
    detect = load_detect(out, str(device))
    judged = {}
    for name, labels in (("validation", parts.held_fraction), ("held_out", parts.held_sources)):
        if labels:
            found = [detect(read_image(image.path)) for image in labels]
            judged[name] = evaluate(found, labels, detect.threshold)
    content = {name: json.loads(evaluation.to_json()) for name, evaluation in judged.items()}
    write_atomically(out / "evaluation.json", json.dumps(content, indent=2).encode())
    return judged
