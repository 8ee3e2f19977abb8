"""Learning rate and end of a training."""

import pytest

from spica.training.recipe import ScheduleSettings
from spica.training.schedule import Schedule


def schedule(**settings: object) -> Schedule:
    return Schedule(ScheduleSettings.model_validate(settings), photos=100, samples=10)


def test_the_rate_warms_up_step_by_step() -> None:
    warming = schedule(epochs=1000, warmup_steps=4, decay="constant")
    assert [warming.rate(step, 0.0) for step in range(6)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])


def test_cosine_falls_from_one_to_a_hundredth_with_half_in_the_middle() -> None:
    falling = schedule(epochs=2, warmup_steps=0)
    assert [falling.rate(step, 0.0) for step in (0, 10, 20)] == pytest.approx([1.0, 0.505, 0.01])


def test_steps_multiply_the_rate() -> None:
    falling = schedule(epochs=9, warmup_steps=0, decay="steps", step_epochs=3.0)
    assert [falling.rate(step, 0.0) for step in (0, 29, 30, 60)] == pytest.approx([1.0, 1.0, 0.1, 0.01])


def test_whichever_of_epochs_and_minutes_ends_first_ends_the_training() -> None:
    both = schedule(epochs=10, minutes=1)
    assert both.progress(50, 6.0) == 0.5
    assert both.progress(10, 30.0) == 0.5
    assert both.progress(0, 60.0) == 1.0
    assert both.progress(100, 0.0) == 1.0
