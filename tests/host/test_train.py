# SPDX-License-Identifier: MIT
"""Training: the same seed gives the same network, and it takes plain sensor units."""

from pathlib import Path

import numpy as np
import pytest

from hognose_tools import cli
from hognose_tools.data.datasets import Dataset
from hognose_tools.errors import UserError
from hognose_tools.training import train

pytest.importorskip("tensorflow", reason="no TensorFlow: pip install 'hognose[train]'")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Keras on newer NumPy


def waves(count: int = 60, samples: int = 24, seed: int = 0) -> Dataset:
    """Two kinds of waves, slow and fast, on a large offset and, in channel 1, in a small unit."""
    chance = np.random.default_rng(seed)
    y = chance.integers(0, 2, count)
    t = np.arange(samples) * np.where(y, 1.2, 0.4)[:, None] + chance.uniform(0, 6, (count, 1))
    x = np.stack([1000 + 20 * np.sin(t), 0.01 * np.cos(t), np.full_like(t, 7)], -1)
    x = (x + chance.normal(0, 0.001, x.shape) * [1, 1, 0]).astype(np.float32)
    half = count // 2
    return Dataset("waves", x[:half], y[:half], x[half:], y[half:], ["slow", "fast"])


@pytest.fixture(scope="module")
def trained() -> tuple[Dataset, object]:
    dataset = waves()
    return dataset, train.train(dataset, epochs=40)


def test_learns_in_plain_units(trained) -> None:
    dataset, model = trained
    assert model.input_shape == (None, 24, 3) and model.output_shape == (None, 2)
    scores = train.predict(model, dataset.x_test)
    assert np.allclose(scores.sum(1), 1, atol=1e-5)
    assert train.accuracy(scores, dataset.y_test) >= 0.95


def test_normalisation_is_in_the_first_layer() -> None:
    """Shifting and scaling the data changes the weights alone, not the predictions."""
    plain = waves()
    other = Dataset(
        "", plain.x_train * 4 - 64, plain.y_train, plain.x_test * 4 - 64, plain.y_test, plain.labels
    )
    a, b = (train.train(d, epochs=2, seed=3) for d in (plain, other))
    assert not np.allclose(a.get_weights()[0], b.get_weights()[0])
    assert np.allclose(train.predict(a, plain.x_test), train.predict(b, other.x_test), atol=2e-3)


def test_seed_decides(trained) -> None:
    dataset, model = trained
    again, other = train.train(dataset, epochs=40), train.train(dataset, epochs=40, seed=2)
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        assert (a == b).all()
    assert any((a != b).any() for a, b in zip(model.get_weights(), other.get_weights(), strict=True))


@pytest.mark.parametrize("samples, channels", [(1, 1), (3, 2), (5, 1), (200, 9)])
def test_any_length(samples: int, channels: int) -> None:
    x = np.random.default_rng(0).normal(size=(6, samples, channels)).astype(np.float32)
    y = np.arange(6) % 3
    model = train.train(Dataset("", x, y, x, y, ["a", "b", "c"]), epochs=1)
    assert train.predict(model, x).shape == (6, 3)


def test_data_of_another_kind_is_refused() -> None:
    x, y = np.zeros((4, 8, 8, 1), np.float32), np.array([0, 1, 0, 1])
    with pytest.raises(UserError, match=r"\[8, 8, 1\]"):
        train.train(Dataset("pictures", x, y, x, y, ["a", "b"]))
    with pytest.raises(UserError, match="at least 1"):
        train.train(waves(), epochs=0)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    d = waves()
    data, model = tmp_path / "waves.npz", tmp_path / "waves.keras"
    arrays = {"x_train": d.x_train, "y_train": d.y_train, "x_test": d.x_test, "y_test": d.y_test}
    np.savez(data, **arrays, labels=np.array(d.labels))
    assert cli.main(["train", str(data), "-o", str(model), "--epochs", "2", "--window", "12"]) == 0
    said = capsys.readouterr()
    assert "input [12, 3]" in said.out and "slow,fast" in said.out and "90 test examples" in said.out
    assert "100%" in said.err
    import keras

    assert keras.saving.load_model(model).input_shape == (None, 12, 3)
    for wrong in (
        ["-o", "waves.h5"],
        ["-o", str(model), "--epochs", "0"],
        ["-o", str(tmp_path / "no" / "a.keras")],
    ):
        assert cli.main(["train", str(data), "--epochs", "1", *wrong]) == 2
        assert len(capsys.readouterr().err.split("hognose: ")[1].splitlines()) == 1
