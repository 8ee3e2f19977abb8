"""Intervals of counts: fitted by hand-computed numbers, and holding on sources that did not take part."""

import numpy as np
import pytest

from spica.counting.intervals import LEAST_WITHIN, OUTSIDE, CountModel, calibrate, counted

MODEL = CountModel(correction=1.1, between=0.03, within=0.5, reach_90=2.0, reach_95=2.5)


def calibrated(found: np.ndarray, true: np.ndarray, sources: list[str]) -> CountModel:
    model = calibrate(found, true, sources)
    assert model is not None
    return model


def fields(seed: int, count: int, between: float, photos: int = 40) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return found and true counts of photos of fields whose detector misses a tenth on the average."""
    random = np.random.default_rng(seed)
    found, true, names = [], [], []
    for number in range(count):
        heads = random.poisson(random.uniform(15, 70), photos)
        share = 0.9 * (1 + between * random.standard_normal())
        found.append(np.maximum(0, np.round(heads * share + 0.5 * np.sqrt(heads) * random.standard_normal(photos))))
        true.append(heads)
        names += [f"field {number}"] * photos
    return np.concatenate(found).astype(np.int64), np.concatenate(true), names


def coverage(model: CountModel, found: np.ndarray, true: np.ndarray, level: float) -> float:
    """Return the part of the photos whose true count lies in its interval."""
    limits = [counted(model, int(one), level=level) for one in found]
    return float(np.mean([one.low <= heads <= one.high for one, heads in zip(limits, true.tolist(), strict=True)]))


def test_correction_is_the_mean_of_the_sources_not_of_the_photos() -> None:
    found = np.array([10, 10, 10, 10, 20])
    model = calibrated(found, np.array([11, 11, 11, 12, 26]), ["a", "a", "a", "b", "c"])
    assert model.correction == pytest.approx((1.1 + 1.2 + 1.3) / 3)
    assert model.between == pytest.approx(np.sqrt(((0.1 / 1.2) ** 2 * 2) / 3))
    assert model.within == LEAST_WITHIN  # within each source all ratios are the same


def test_errors_within_a_source_are_told_from_those_between() -> None:
    found = np.array([10, 10, 20, 20, 30, 30])
    model = calibrated(found, found + np.array([1, -1, 2, -2, 3, -3]), ["a", "a", "b", "b", "c", "c"])
    assert model.correction == 1
    assert model.between == 0
    assert model.within == pytest.approx(np.sqrt(np.mean([1 / 11, 4 / 21, 9 / 31])))


def test_an_interval_reaches_a_multiple_of_the_spread() -> None:
    result = counted(MODEL, 100)
    spread = np.sqrt((0.03 * 110) ** 2 + 0.25 * 111)
    assert result.heads == pytest.approx(110)
    assert (result.low, result.high) == pytest.approx((110 - 2 * spread, 110 + 2 * spread))
    wider = counted(MODEL, 100, level=0.95)
    assert wider.high - 110 == pytest.approx(1.25 * (result.high - 110))


def test_what_photos_share_does_not_average_out() -> None:
    one, many = counted(MODEL, 30), counted(MODEL, 100_000, photos=1000)
    assert (one.high - one.low) / one.heads > 2 * (many.high - many.low) / many.heads
    assert (many.high - many.heads) / many.heads == pytest.approx(2 * 0.03, rel=0.02)


def test_heads_of_another_size_widen_the_interval() -> None:
    known, unknown = counted(MODEL, 100), counted(MODEL, 100, known=False)
    assert unknown.heads == known.heads
    assert unknown.high - unknown.heads > 2 * OUTSIDE * 110


def test_limits_are_never_below_zero() -> None:
    assert counted(MODEL, 0).low == 0
    assert counted(MODEL, 1).low >= 0
    assert counted(MODEL, 0).high > 0


@pytest.mark.parametrize("between", [0.02, 0.1])
def test_intervals_hold_on_fields_that_did_not_take_part(between: float) -> None:
    model = calibrated(*fields(0, 12, between))
    parts = [coverage(model, *fields(seed, 1, between)[:2], 0.9) for seed in range(100, 200)]
    assert 0.85 <= np.mean(parts) <= 0.95


def test_each_source_weighs_alike() -> None:
    found, true, names = fields(1, 6, 0.05)
    more = [np.concatenate([column, column[:40]]) for column in (found, true)]
    doubled = calibrated(more[0], more[1], [*names, *names[:40]])
    plain = calibrated(found, true, names)
    assert (doubled.reach_90, doubled.reach_95) == pytest.approx((plain.reach_90, plain.reach_95))
    assert doubled.correction == pytest.approx(plain.correction)


def test_photos_without_heads_do_not_break_a_calibration() -> None:
    found, true, names = fields(2, 4, 0.05)
    nothing = np.zeros(3, dtype=np.int64)
    more = calibrate(np.concatenate([found, nothing]), np.concatenate([true, nothing]), [*names, *["bare"] * 3])
    assert more == calibrate(found, true, names)


def test_counts_that_are_right_are_no_division_by_zero() -> None:
    heads = np.array([10, 20, 30, 40])
    model = calibrated(heads, heads, ["a", "b", "c", "c"])
    assert model.reach_90 == 0
    assert counted(model, 50).low == counted(model, 50).high == 50


def test_other_levels_are_not_known() -> None:
    with pytest.raises(ValueError, match=r"level is 0\.8, expected 0\.9 or 0\.95"):
        counted(MODEL, 10, level=0.8)


def test_two_sources_are_too_few() -> None:
    assert calibrate(np.array([1, 2]), np.array([1, 2]), ["a", "b"]) is None
    assert calibrate(np.array([1, 2, 0]), np.array([1, 2, 3]), ["a", "b", "c"]) is None  # of c no head was found
