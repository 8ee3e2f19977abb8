"""Learning that starts from weights: what is taken from them, what the recipe sets itself, what the card remembers."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from spica.detections import Detections
from spica.errors import RecipeError, WeightsError
from spica.labels.folder import read_labels
from spica.labels.labelled import Labels
from spica.model.checkpoint import load_detect, load_weights, read_settings, started_from
from spica.prediction.runtime import Facts, detect_file
from spica.scoring.curves import best_threshold, unbiased_threshold
from spica.training import judging
from spica.training.recipe import read_recipe
from spica.training.run import Progress, train
from spica.training.samples import head_sides

SHORT = """
start = "{start}"
[detector]
{detector}
[data]
name = "my field"
licence = "CC0"
[validation]
sources = ["south"]
fraction = 0.25
[sample]
side = 64
[schedule]
epochs = 0.4
batch = 2
warmup_steps = 1
[optimiser]
rate = 1e-12
[run]
device = "cpu"
threads = 1
averaging = 0
evaluate_steps = 1
"""


@pytest.fixture
def first(tiny_recipe: Path, painted_folder: Path, tmp_path: Path) -> Path:
    """Return the folder of a run that began at random."""
    train(tiny_recipe, painted_folder, tmp_path / "first", settings=["data.name=the first field"])
    return tmp_path / "first"


def recipe(folder: Path, start: Path, detector: str = "") -> Path:
    path = folder / "second.toml"
    path.write_text(SHORT.format(start=start, detector=detector))
    return path


def test_a_run_starts_with_the_weights_of_another_one(first: Path, painted_folder: Path, tmp_path: Path) -> None:
    for start in (first, first / "weights.safetensors"):
        out = tmp_path / f"from {start.name}"
        train(recipe(tmp_path, start), painted_folder, out)
        before, after = (load_file(run / "weights.safetensors") for run in (first, out))
        learnt = [name for name in before if "running" not in name and "num_batches" not in name]
        assert before.keys() == after.keys()
        for name in learnt:  # one step at a rate of 1e-12 moves nothing
            torch.testing.assert_close(after[name], before[name], rtol=0, atol=1e-6)


def test_kept_weights_lie_between_those_before_and_those_learnt(
    first: Path, painted_folder: Path, tmp_path: Path
) -> None:
    settings = ["optimiser.rate=0.01", "optimiser.weight_decay=0"]
    file = recipe(tmp_path, first, "head = { channels = 24 }")
    for share in (0.0, 0.25, 1.0):
        train(file, painted_folder, tmp_path / f"{share}", settings=[*settings, f"run.start_share={share}"])
    before, learnt, between, all_before = (
        load_file(tmp_path / run / "weights.safetensors") for run in ("first", "0.0", "0.25", "1.0")
    )
    new = {name for name in learnt if before[name].shape != learnt[name].shape}
    assert new
    assert any(not torch.allclose(learnt[name], before[name]) for name in before.keys() - new)
    for name in before:
        if not before[name].is_floating_point():
            continue
        if name in new:  # there is nothing to share
            assert torch.equal(between[name], learnt[name])
        else:
            torch.testing.assert_close(between[name], 0.75 * learnt[name] + 0.25 * before[name])
            assert torch.equal(all_before[name], before[name])


def test_without_a_start_there_is_nothing_to_share(tiny_recipe: Path) -> None:
    with pytest.raises(RecipeError, match=r"run\.start_share is set and start is not"):
        read_recipe(tiny_recipe, ["run.start_share=0.5"])


def test_settings_of_the_detector_come_from_the_file(first: Path, tmp_path: Path) -> None:
    settings = read_recipe(recipe(tmp_path, first)).detector
    assert settings == read_settings(first)
    assert (settings.side, settings.neck.strides, settings.head.channels) == (96, (4, 8), 16)


def test_what_the_recipe_sets_itself_holds(first: Path, tmp_path: Path) -> None:
    own = 'side = 128\nproposals = { detect = 33, least_score = 0.02 }\nbackbone = { transfer = "from:coarse" }'
    known, settings = read_settings(first), read_recipe(recipe(tmp_path, first, own)).detector
    assert (settings.side, settings.proposals.detect, settings.proposals.least_score) == (128, 33, 0.02)
    assert settings.backbone.transfer == "from:coarse"
    assert settings.backbone.name == known.backbone.name
    assert settings.proposals.before_suppression == known.proposals.before_suppression == 50
    assert (settings.neck, settings.anchors, settings.head) == (known.neck, known.anchors, known.head)


def test_what_the_command_line_sets_holds_too(first: Path, tmp_path: Path) -> None:
    settings = read_recipe(recipe(tmp_path, first), ["detector.side=160", "schedule.batch=1"])
    assert (settings.detector.side, settings.schedule.batch) == (160, 1)
    again = read_recipe(recipe(tmp_path, Path("gone")), [f"start={first}"])
    assert again.detector == read_settings(first)


def test_weights_that_are_not_there_are_an_error_with_their_path(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone: no such weights file"):
        read_recipe(recipe(tmp_path, tmp_path / "gone"))


@pytest.mark.parametrize(
    ("own", "said"), [("sides = 3", r"unknown setting detector\.sides"), ("neck = 3", r"detector\.neck is 3")]
)
def test_a_setting_that_does_not_fit_is_named(own: str, said: str, first: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=said):
        read_recipe(recipe(tmp_path, first, own))


def test_what_does_not_fit_begins_at_random_and_is_told(first: Path, painted_folder: Path, tmp_path: Path) -> None:
    told: list[Progress] = []
    train(recipe(tmp_path, first, "head = { channels = 24 }"), painted_folder, tmp_path / "out", tell=told.append)
    (note,) = [progress.note for progress in told if progress.note.startswith("start: ")]
    assert "regions.box_head.fc6.weight" in note
    assert "body." not in note
    assert "neck." not in note
    detector, _ = load_weights(tmp_path / "out")
    assert detector.regions.box_head.fc6.out_features == 24


def test_what_fits_is_told_to_be_nothing_new(first: Path) -> None:
    detector, card, new = started_from(first, read_settings(first))
    assert new == ()
    assert card.threshold == load_detect(first).card.threshold
    weights = load_file(first / "weights.safetensors")
    assert all(torch.equal(weights[name], tensor) for name, tensor in detector.state_dict().items())


def test_what_photos_are_normalised_by_is_what_the_settings_say(first: Path) -> None:
    settings = read_settings(first)
    mean = (0.1, 0.2, 0.3)
    changed = settings.model_copy(update={"backbone": settings.backbone.model_copy(update={"mean": mean})})
    detector, _, new = started_from(first, changed)
    assert new == ()
    assert detector.mean.flatten().tolist() == pytest.approx(mean)


def test_another_backbone_is_an_error_and_leaves_no_folder(first: Path, painted_folder: Path, tmp_path: Path) -> None:
    other = (
        'backbone = { name = "torchvision/mobilenet_v3_small", batch_norm = "frozen" }\nneck = { strides = [8, 16] }'
    )
    with pytest.raises(WeightsError, match=r"its backbone is another one than torchvision/mobilenet_v3_small"):
        train(recipe(tmp_path, first, other), painted_folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_card_remembers_what_the_weights_were_trained_on_before(
    first: Path, painted_folder: Path, tmp_path: Path
) -> None:
    train(recipe(tmp_path, first), painted_folder, tmp_path / "second")
    card = load_detect(tmp_path / "second").card
    assert card.trained_on == "my field: 6 photos of north; before that the first field: 6 photos of north"
    assert card.data_licence == "CC0"
    assert (card.recipe, card.side) == ("second", 96)
    before = load_detect(first).card
    assert (card.backbone, card.licence) == (before.backbone, before.licence)


def test_a_run_that_started_from_weights_goes_on_after_an_interruption(
    first: Path, painted_folder: Path, tmp_path: Path
) -> None:
    settings = ["schedule.epochs=1.3", "optimiser.rate=0.001"]
    train(recipe(tmp_path, first), painted_folder, tmp_path / "whole", settings=settings)

    def stop(progress: Progress) -> None:
        if progress.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe(tmp_path, first), painted_folder, tmp_path / "run", settings=settings, tell=stop)
    train(recipe(tmp_path, first), painted_folder, tmp_path / "run", settings=settings, resume=True)
    whole, resumed = (load_file(tmp_path / name / "weights.safetensors") for name in ("whole", "run"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_the_judgement_writes_its_scores_to_the_card_by_part_and_source(first: Path) -> None:
    card = load_detect(first).card
    judged = json.loads((first / "evaluation.json").read_text())
    assert set(card.scores) == set(judged) == {"validation", "held_out"}
    assert set(card.scores["validation"]) == {"all", "north"}
    assert set(card.scores["held_out"]) == {"all", "south"}
    for part, evaluation in judged.items():
        row, scores = evaluation["overall"], card.scores[part]["all"]
        assert (scores["images"], scores["heads"]) == (row["images"], row["heads"])
        assert scores["score"] == row["score"]
        assert set(scores) <= {"images", "heads", "score", "relative_bias", "relative_rmse"}
    assert card.scores["held_out"]["south"] == card.scores["held_out"]["all"]


def test_without_photos_held_out_the_threshold_stays_that_of_the_start(
    first: Path, painted_folder: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(f'start = "{first}"\n[schedule]\nepochs = 1\n[sample]\nside = 64\n[validation]\nfraction = 0\n')
    train(recipe, painted_folder, tmp_path / "mine")
    assert load_detect(tmp_path / "mine").card.threshold == load_detect(first).card.threshold != 0.5


@pytest.mark.parametrize(("rule", "choose"), [("counts", unbiased_threshold), ("score", best_threshold)])
def test_photos_trained_on_choose_the_threshold_where_that_is_asked_for(
    rule: str, choose: Callable[..., float], first: Path, painted_folder: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(f'start = "{first}"\n[schedule]\nepochs = 1\n[sample]\nside = 64\n[validation]\nfraction = 0\n')
    settings = [f"validation.threshold={rule}", "validation.threshold_on=trained"]
    train(recipe, painted_folder, tmp_path / "mine", settings=settings)
    detect, (labels, _) = load_detect(tmp_path / "mine"), read_labels(painted_folder)
    found = [detect_file(detect, image.path) for image in labels]
    assert detect.card.threshold == choose(found, labels)


def test_counts_on_the_card_are_of_all_that_was_held_out(painted_labels: Labels) -> None:
    labels = [replace(image, source=name) for image, name in zip(painted_labels, "aabbccaabbcc", strict=True)]
    scores = [np.full(image.heads, 0.9, dtype=np.float32) for image in labels]
    judged = [(Detections(image.boxes, own), image) for image, own in zip(labels, scores, strict=True)]
    model = judging._count_model(judged, 0.5)
    assert model is not None
    assert model.correction == 1
    assert judging._count_model(judged, 0.95) is None  # above it nothing is found
    assert judging._count_model(judged[:4], 0.5) is None


def test_the_card_knows_the_size_of_heads_in_training(first: Path) -> None:
    # Heads of 20 pixels on photos of 96, looked at with 96 pixels; zooming samples makes the range no wider.
    assert load_detect(first).card.head_sides == (14.1, 28.3)


def test_the_range_of_heads_is_that_of_the_photos_at_the_networks_size(painted_labels: Labels) -> None:
    first, second, *others = painted_labels
    small = [replace(image, boxes=image.boxes * np.float32(0.25)) for image in (first, second)]  # heads of 5 pixels
    assert head_sides((*small, *others), 192) == (10, 40)
    assert head_sides((*small, *small), 192) == (7.1, 14.1)
    most = (replace(first, boxes=first.boxes * np.float32(0.25)), *others)
    low, _ = head_sides(most * 8, 192) or (0, 0)
    assert low == 10
    low, _ = head_sides((most[0], *others * 16), 192) or (0, 0)
    assert low > 10  # less than 1 % of the photos lie below
    assert head_sides(painted_labels[-1:], 192) is None  # there is no head on the last photo


def test_a_loaded_training_tells_device_and_runtime(first: Path) -> None:
    facts: Facts = load_detect(first, "cpu").facts
    assert facts == {"runtime": f"torch {torch.__version__}", "precision": "f32", "device": "cpu"}
