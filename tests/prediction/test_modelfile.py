"""The card in a model file: read as it was written, and one line for every file that has none."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spica.counting.intervals import CountModel
from spica.errors import WeightsError
from spica.prediction.card import Card
from spica.prediction.modelfile import METADATA_KEY, read_card

onnx = pytest.importorskip("onnx")  # it writes the files; not in the core, whose own reader is tested here
helper = onnx.helper

CARD = Card(
    threshold=0.37,
    scores={"validation": {"all": {"images": 3, "score": 0.5}, "Ähre 麦": {"score": 0.25}}, "held_out": {}},
    backbone="tiny",
    licence="MIT",
    trained_on="3 photos",
    data_licence="CC BY 4.0",
    recipe="tiny",
    side=640,
    head_sides=(14.5, 80.25),
    counts=CountModel(correction=1.02, between=0.03, within=0.5, reach_90=1.6, reach_95=2.5),
    date="2026-01-02",
)


def model(**metadata: str) -> bytes:
    """Return a model that does nothing, with a weight that is longer than any card."""
    nothing = helper.make_node("Identity", ["x"], ["y"])
    value = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in ("x", "y")]
    long = helper.make_tensor("long", onnx.TensorProto.UINT8, [1_500_000], bytes(range(250)) * 6000, raw=True)
    graph = helper.make_graph([nothing], "nothing", value[:1], value[1:], [long])
    made = helper.make_model(graph, producer_name="a test", ir_version=9, doc_string="words")
    helper.set_model_props(made, {"author": "me", "empty": "", **metadata})
    content: bytes = made.SerializeToString()
    return content


WITH_CARD = model(spica=json.dumps(CARD.to_dict()))


def saved(folder: Path, content: bytes) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(content)
    return path


def test_a_card_comes_back_from_the_metadata_of_an_onnx_file(tmp_path: Path) -> None:
    assert METADATA_KEY == "spica"
    assert read_card(saved(tmp_path, WITH_CARD)) == CARD


def test_a_card_of_defaults_comes_back_too(tmp_path: Path) -> None:
    assert read_card(saved(tmp_path, model(spica=json.dumps(Card().to_dict())))) == Card()
    assert read_card(saved(tmp_path, model(spica="{}"))) == Card()


def one_line(path: Path) -> str:
    """Return the one line that reading a card fails with."""
    with pytest.raises(WeightsError) as caught:
        read_card(path)
    assert str(caught.value).startswith(str(path))
    return str(caught.value)


def test_a_missing_file_is_one_error(tmp_path: Path) -> None:
    assert "cannot be read (No such file or directory)" in one_line(tmp_path / "gone.onnx")
    assert "cannot be read (Is a directory)" in one_line(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a model file of Spica; make one by `spica export RUN --out model.onnx`"),
        (model(), "not a model file of Spica"),
        (b"<!DOCTYPE html><html>404</html>", "damaged, or not an ONNX file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "damaged, or not an ONNX file"),
        (b"\x89PNG\r\n\x1a\n", "damaged, or not an ONNX file"),
        (b"\xff" * 40, "damaged, or not an ONNX file"),
        (b"\x72\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "damaged, or not an ONNX file"),  # metadata of 2 ** 63 bytes
        (b"\x1a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "damaged, or not an ONNX file"),  # the same of something skipped
        (model(spica="no JSON"), "damaged"),
        (model(spica=""), "damaged"),
        (model(spica="[]"), "does not fit this version of Spica"),
        (model(spica="3"), "does not fit this version of Spica"),
        (model(spica='{"colour": 3}'), "does not fit this version of Spica"),
        (model(spica='{"head_sides": 3}'), "does not fit this version of Spica"),
        (model(spica='{"counts": {"bias": 3}}'), "does not fit this version of Spica"),
    ],
)
def test_a_file_without_a_sound_card_is_one_error(content: bytes, said: str, tmp_path: Path) -> None:
    assert said in one_line(saved(tmp_path, content))


@pytest.mark.parametrize("part", [0.001, 0.3, 0.9, 0.99999])
def test_a_file_without_its_end_is_one_error(part: float, tmp_path: Path) -> None:
    # The metadata come behind the network, so that no cut leaves a card.
    assert "damaged, or not an ONNX file" in one_line(saved(tmp_path, WITH_CARD[: int(part * len(WITH_CARD))]))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60))
def test_any_bytes_give_a_weights_error_and_nothing_else(content: bytes, tmp_path: Path) -> None:
    one_line(saved(tmp_path, content))


HEADER = {place: WITH_CARD[place] for place in (*range(30), *range(len(WITH_CARD) - 900, len(WITH_CARD)))}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(st.sampled_from(sorted(HEADER)), st.integers(0, 255), min_size=1, max_size=4))
def test_damage_gives_a_card_or_a_weights_error_and_nothing_else(changes: dict[int, int], tmp_path: Path) -> None:
    content = bytearray(WITH_CARD)
    for place, value in changes.items():
        content[place] = value
    path = saved(tmp_path, bytes(content))
    with suppress(WeightsError):
        assert isinstance(read_card(path), Card)
