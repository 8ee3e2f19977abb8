"""Whole runs, tiny ones: what they write, how they go on, and how they fail."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from spica.errors import AnnotationError, RecipeError, TrainingError, WeightsError
from spica.images import read_image, write_image
from spica.labels.folder import write_labels
from spica.labels.labelled import Labels
from spica.labels.parts import PARTS_TABLE, read_parts
from spica.model.checkpoint import load_detect
from spica.training.leaks import require_apart
from spica.training.run import Progress, train
from spica.training.samples import Batch

WEIGHTS = "weights.safetensors"


def checkpoint(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(run / "checkpoint.pt", weights_only=True)
    return content


def same_weights(first: Path, second: Path) -> bool:
    one, other = checkpoint(first), checkpoint(second)
    return one["step"] == other["step"] and all(
        torch.equal(one[part][name], other[part][name]) for part in ("model", "averaged") for name in one[part]
    )


def test_a_run_writes_everything_that_it_promises(tiny_recipe: Path, painted_folder: Path, tmp_path: Path) -> None:
    told: list[Progress] = []
    judged = train(tiny_recipe, painted_folder, tmp_path / "run", tell=told.append)
    written = {path.name for path in (tmp_path / "run").iterdir()}
    assert written >= {
        "recipe.json", "environment.json", "metrics.csv", "evaluations.csv", "curves.png", "checkpoint.pt", WEIGHTS,
        "evaluation.json", "pictures", "parts.csv",
    }  # fmt: skip
    assert (judged["validation"].overall.images, judged["held_out"].overall.images) == (2, 4)
    assert judged["held_out"].sources[0].name == "south"
    assert told[-1].done == 1
    assert any("score" in progress.note for progress in told)
    assert len((tmp_path / "run" / "metrics.csv").read_text().splitlines()) == 1 + 4
    assert sorted(path.name for path in (tmp_path / "run" / "pictures").glob("*.jpg")) == [
        "step_000002.jpg",
        "step_000004.jpg",
    ]
    card = load_detect(tmp_path / "run").card
    assert card.trained_on == "6 photos of north"


def mirrored(photo: Path, file: Path) -> Path:
    """Write a photo upside down, which is another one then, and return its path."""
    write_image(file, read_image(photo)[::-1].copy())
    return file


def test_more_labels_are_all_trained_on(
    tiny_recipe: Path, painted_folder: Path, painted_labels: Labels, tmp_path: Path
) -> None:
    renamed = tuple(
        replace(image, id=f"more-{image.id}", source="west", path=mirrored(image.path, tmp_path / image.path.name))
        for image in painted_labels[:3]
    )
    ignoring = replace(renamed[0], boxes=renamed[0].boxes[:0], ignored=renamed[0].boxes)
    write_labels((ignoring, *renamed[1:]), tmp_path / "more", "coco")
    judged = train(tiny_recipe, (painted_folder, tmp_path / "more"), tmp_path / "run")
    assert (judged["validation"].overall.images, judged["held_out"].overall.images) == (2, 4)
    parts = read_parts(tmp_path / "run" / "parts.csv")
    assert [parts[image.id] for image in renamed] == ["train"] * 3
    assert list(parts.values()).count("train") == 6 + 3


def test_the_same_photo_in_two_data_sets_is_refused(
    tiny_recipe: Path, painted_folder: Path, painted_labels: Labels, tmp_path: Path
) -> None:
    write_labels(painted_labels[:1], tmp_path / "more", "coco")
    with pytest.raises(AnnotationError, match="two images have the id"):
        train(tiny_recipe, (painted_folder, tmp_path / "more"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_photos_of_a_field_that_is_held_out_cannot_be_added(
    tiny_recipe: Path, painted_folder: Path, painted_labels: Labels, tmp_path: Path
) -> None:
    renamed = tuple(replace(image, id=f"more-{image.id}", source="south") for image in painted_labels[:2])
    write_labels(renamed, tmp_path / "more", "coco")
    with pytest.raises(AnnotationError, match="photos of the source 'south' are added to train on, expected none"):
        train(tiny_recipe, (painted_folder, tmp_path / "more"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    require_apart(("unknown", ""), ("unknown", "", "south"))  # they name no field


def test_a_photo_that_is_held_out_cannot_be_added_under_another_name(
    tiny_recipe: Path, painted_folder: Path, painted_labels: Labels, tmp_path: Path
) -> None:
    held = next(image for image in painted_labels if image.source == "south")
    write_labels((replace(held, id="renamed", source="unknown"),), tmp_path / "more", "coco")
    with pytest.raises(
        AnnotationError, match=rf"renamed\.\w+: is added to train on, and .*{held.path.name}, which is held out"
    ):
        train(tiny_recipe, (painted_folder, tmp_path / "more"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_is_the_same_twice_and_another_with_another_seed(
    tiny_recipe: Path, painted_folder: Path, tmp_path: Path
) -> None:
    for name, seed in (("first", 0), ("second", 0), ("third", 1)):
        train(tiny_recipe, painted_folder, tmp_path / name, settings=[f"run.seed={seed}"])
    assert same_weights(tmp_path / "first", tmp_path / "second")
    assert not same_weights(tmp_path / "first", tmp_path / "third")


def test_a_killed_run_that_is_resumed_ends_with_the_weights_of_one_that_was_not(
    tiny_recipe: Path, painted_folder: Path, tmp_path: Path
) -> None:
    settings = ["schedule.epochs=5"]
    train(tiny_recipe, painted_folder, tmp_path / "whole", settings=settings)
    killed = tmp_path / "killed"
    arguments = f"Path({str(tiny_recipe)!r}), Path({str(painted_folder)!r}), Path({str(killed)!r}), settings={settings}"
    # A pause in each step, so that the kill surely comes in the middle of the run.
    program = (
        "import time; from pathlib import Path; from spica.training.run import train\n"
        f"train({arguments}, tell=lambda _: time.sleep(0.2))"
    )
    process = subprocess.Popen([sys.executable, "-c", program], env=os.environ)
    while not (killed / "checkpoint.pt").is_file() or checkpoint(killed)["step"] < 3:
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert checkpoint(killed)["step"] < 15
    train(tiny_recipe, painted_folder, killed, resume=True, settings=settings)
    assert same_weights(tmp_path / "whole", killed)
    assert (killed / "evaluations.csv").read_text() == (tmp_path / "whole" / "evaluations.csv").read_text()
    for name, weight in load_file(tmp_path / "whole" / WEIGHTS).items():
        assert torch.equal(weight, load_file(killed / WEIGHTS)[name])


def test_an_interrupted_run_is_saved_after_the_step_under_way_and_goes_on(
    tiny_recipe: Path, painted_folder: Path, tmp_path: Path
) -> None:
    settings = ["schedule.epochs=5", "run.checkpoint_minutes=60"]
    train(tiny_recipe, painted_folder, tmp_path / "whole", settings=settings)

    def interrupt(progress: Progress) -> None:
        if progress.step == 3:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(tiny_recipe, painted_folder, tmp_path / "run", settings=settings, tell=interrupt)
    assert checkpoint(tmp_path / "run")["step"] == 3
    train(tiny_recipe, painted_folder, tmp_path / "run", settings=settings, resume=True)
    assert same_weights(tmp_path / "whole", tmp_path / "run")


def test_a_recipe_that_does_not_work_leaves_no_folder_behind(
    tiny_recipe: Path, painted_folder: Path, tmp_path: Path
) -> None:
    settings = ["detector.backbone.weights=none.safetensors", "detector.backbone.mean=[0.5,0.5,0.5]"]
    with pytest.raises(WeightsError, match="no such file"):
        train(tiny_recipe, painted_folder, tmp_path / "run", settings=settings)
    assert not (tmp_path / "run").exists()


def test_rates_and_averaging_may_change_when_a_run_goes_on(
    tiny_recipe: Path, painted_folder: Path, tmp_path: Path
) -> None:
    train(tiny_recipe, painted_folder, tmp_path / "run", settings=["run.averaging=0"])
    changed = ["run.averaging=0.5", "optimiser.rate=0.001", "schedule.epochs=2"]
    changed += ["optimiser.backbone_rate=0.1", "optimiser.weight_decay=0"]
    train(tiny_recipe, painted_folder, tmp_path / "run", resume=True, settings=changed)
    assert checkpoint(tmp_path / "run")["step"] == 6
    groups = checkpoint(tmp_path / "run")["optimiser"]["param_groups"]
    assert {(group["highest"], group["weight_decay"]) for group in groups} == {(0.001, 0), (0.0001, 0)}


def test_a_photo_that_cannot_be_decoded_is_told_and_left_out(
    tiny_recipe: Path, painted_folder: Path, tmp_path: Path
) -> None:
    path = painted_folder / "train" / "photo03.png"
    path.write_bytes(path.read_bytes()[:900])
    told: list[Progress] = []
    train(tiny_recipe, painted_folder, tmp_path / "run", tell=told.append)
    assert "photo03" in told[0].note
    assert "photo03" not in (tmp_path / "run" / "parts.csv").read_text()


@pytest.mark.parametrize("garbage", [b"", b"garbage", b"\x80\x02N."])
def test_a_checkpoint_of_garbage_is_an_error(
    tiny_recipe: Path, painted_folder: Path, tmp_path: Path, garbage: bytes
) -> None:
    train(tiny_recipe, painted_folder, tmp_path / "run")
    (tmp_path / "run" / "checkpoint.pt").write_bytes(garbage)
    with pytest.raises(TrainingError, match=r"checkpoint\.pt: does not fit the recipe"):
        train(tiny_recipe, painted_folder, tmp_path / "run", resume=True)


def test_two_processes_train_one_detector(tiny_recipe: Path, painted_folder: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "from pathlib import Path; from spica.training.run import train\n"
        f"train(Path({str(tiny_recipe)!r}), Path({str(painted_folder)!r}), Path({str(tmp_path / 'run')!r}))"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    assert checkpoint(tmp_path / "run")["step"] == 2  # four samples a step of 1.25 epochs of six photos
    load_detect(tmp_path / "run")


def test_a_time_budget_ends_a_run(tiny_recipe: Path, painted_folder: Path, tmp_path: Path) -> None:
    settings = ["schedule.epochs=100000", "schedule.minutes=0.02", "run.evaluate_steps=1000000"]
    train(tiny_recipe, painted_folder, tmp_path / "run", settings=settings)
    assert 1 <= checkpoint(tmp_path / "run")["step"] < 100_000


def test_gradients_added_up_over_two_steps_are_those_of_one_large_batch(
    tiny_recipe: Path, painted_folder: Path, tmp_path: Path
) -> None:
    # Without normalisation by batch and with every anchor and proposal counted, nothing else tells the two apart.
    same = [
        "detector.backbone.weights=default", "detector.backbone.transfer=fixed", "detector.backbone.batch_norm=frozen",
        "detector.proposals.samples=100000", "detector.head.samples=100000", "run.evaluate_steps=1000000",
        "schedule.epochs=0.6", "optimiser.kind=sgd", "optimiser.rate=0.01",
    ]  # fmt: skip
    for name, schedule in (("one", [4, 1]), ("two", [2, 2])):
        portions = [f"schedule.batch={schedule[0]}", f"schedule.accumulate={schedule[1]}"]
        train(tiny_recipe, painted_folder, tmp_path / name, settings=[*same, *portions])
    one, two = checkpoint(tmp_path / "one"), checkpoint(tmp_path / "two")
    assert one["step"] == two["step"] == 1
    # The losses of a batch are means over its anchors, so the halves weigh a little differently.
    head = "proposals.head.bbox_pred.bias"
    torch.testing.assert_close(one["model"][head], two["model"][head], atol=2e-3, rtol=0.2)


def test_a_run_is_not_written_over(tiny_recipe: Path, painted_folder: Path, tmp_path: Path) -> None:
    train(tiny_recipe, painted_folder, tmp_path / "run")
    before = (tmp_path / "run" / WEIGHTS).read_bytes()
    with pytest.raises(TrainingError, match="holds a run already; add --resume"):
        train(tiny_recipe, painted_folder, tmp_path / "run")
    with pytest.raises(RecipeError, match=r"\[sample\] of the recipe differs"):
        train(tiny_recipe, painted_folder, tmp_path / "run", resume=True, settings=["sample.mosaic=0"])
    assert (tmp_path / "run" / WEIGHTS).read_bytes() == before


def test_weights_without_a_checkpoint_are_not_written_over(
    tiny_recipe: Path, painted_folder: Path, tmp_path: Path
) -> None:
    train(tiny_recipe, painted_folder, tmp_path / "run")
    (tmp_path / "run" / "checkpoint.pt").unlink()
    with pytest.raises(TrainingError, match="holds weights already, but no checkpoint"):
        train(tiny_recipe, painted_folder, tmp_path / "run")


def test_an_evaluation_leaves_a_checkpoint_to_go_on_from(
    tiny_recipe: Path, painted_folder: Path, tmp_path: Path
) -> None:
    def fail(progress: Progress) -> None:
        if progress.step == 3:
            raise TrainingError("the third step fails")

    with pytest.raises(TrainingError, match="third step"):
        train(tiny_recipe, painted_folder, tmp_path / "run", settings=["run.checkpoint_minutes=60"], tell=fail)
    assert checkpoint(tmp_path / "run")["step"] == 2


def test_a_run_says_which_part_each_photo_had(tiny_recipe: Path, painted_folder: Path, tmp_path: Path) -> None:
    train(tiny_recipe, painted_folder, tmp_path / "run")
    parts = read_parts(tmp_path / "run" / PARTS_TABLE)
    assert Counter(parts.values()) == {"train": 6, "validation": 2, "held_out": 4}
    assert parts["photo11"] == "held_out"


def test_there_must_be_a_run_to_resume(tiny_recipe: Path, painted_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no run to resume there"):
        train(tiny_recipe, painted_folder, tmp_path / "none", resume=True)


def test_a_damaged_checkpoint_is_an_error(tiny_recipe: Path, painted_folder: Path, tmp_path: Path) -> None:
    train(tiny_recipe, painted_folder, tmp_path / "run")
    whole = (tmp_path / "run" / "checkpoint.pt").read_bytes()
    (tmp_path / "run" / "checkpoint.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TrainingError, match=r"checkpoint\.pt: does not fit the recipe"):
        train(tiny_recipe, painted_folder, tmp_path / "run", resume=True)


def test_a_loss_that_is_not_finite_names_itself_the_step_and_the_photos(
    tiny_recipe: Path, painted_folder: Path, tmp_path: Path
) -> None:
    settings = ["optimiser.kind=sgd", "optimiser.rate=1e30", "optimiser.clip=1e30", "schedule.warmup_steps=0"]
    with pytest.raises(
        TrainingError, match=r"loss_\w+ is (nan|inf) at step \d \(photos photo\d\d, photo\d\d\); --resume"
    ):
        train(tiny_recipe, painted_folder, tmp_path / "run", settings=settings)


def test_running_out_of_memory_says_which_settings_train_the_same_with_less(
    tiny_recipe: Path, painted_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Batch, "targets", fail)
    with pytest.raises(TrainingError, match=r"batches of 2 samples of 64 pixels; set schedule\.batch=1"):
        train(tiny_recipe, painted_folder, tmp_path / "run")


def test_a_part_too_small_to_hold_any_photo_is_an_error(
    tiny_recipe: Path, painted_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(AnnotationError, match=r"validation\.fraction = 0\.01 is less than half a photo"):
        train(tiny_recipe, painted_folder, tmp_path / "run", settings=["validation.fraction=0.01"])
    assert not (tmp_path / "run").exists()


def test_without_validation_photos_the_last_weights_are_kept(
    tiny_recipe: Path, painted_folder: Path, tmp_path: Path
) -> None:
    judged = train(
        tiny_recipe, painted_folder, tmp_path / "run", settings=["validation.fraction=0", "validation.sources=[]"]
    )
    assert judged == {}
    assert json.loads((tmp_path / "run" / "evaluation.json").read_text()) == {}
    detect = load_detect(tmp_path / "run")
    assert detect.card.threshold == 0.5
    photo = next((painted_folder / "train").iterdir())
    assert len(detect(read_image(photo))) <= 1000


def test_a_threshold_for_counts_finds_as_many_boxes_as_heads_where_one_can(
    tiny_recipe: Path, painted_folder: Path, tmp_path: Path
) -> None:
    bias = {}
    for choice in ("score", "counts"):
        settings = [f"validation.threshold={choice}", "schedule.epochs=20", "validation.fraction=0.4"]
        judged = train(tiny_recipe, painted_folder, tmp_path / choice, settings=settings)
        bias[choice] = abs(judged["validation"].overall.relative_bias)
    assert bias["counts"] <= bias["score"]
