"""The weights inside the package: they load, and what was learnt on real photos holds on rendered fields."""

from pathlib import Path

import spica
from spica.labels.fields import SOURCES, render_field
from spica.model.checkpoint import NetworkDetect, load_detect
from spica.scoring.pairing import paired_heads

WEIGHTS = Path(spica.__file__).parent / "weights" / "wheat.safetensors"
LEAST_FOUND = 0.7  # of the rendered heads; 0.82 when the weights were put in


def shipped() -> NetworkDetect:
    return load_detect(WEIGHTS, "cpu")


def test_the_card_names_data_licence_and_threshold() -> None:
    card = shipped().card
    assert card.threshold == 0.43
    assert "CC BY 4.0" in card.trained_on
    assert card.licence.startswith("Apache-2.0")


def test_most_heads_of_rendered_fields_are_found_in_every_kind_of_field() -> None:
    detect = shipped()
    heads = hits = 0
    for seed, source in enumerate(SOURCES):
        photo, truth = render_field(100 + seed, side=640, source=source, heads=40)
        found = detect(photo).above(detect.threshold)
        heads, hits = heads + len(truth), hits + int((paired_heads(found, truth) >= 0).sum())
    assert hits >= LEAST_FOUND * heads
