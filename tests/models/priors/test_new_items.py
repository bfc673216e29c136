"""mmrec.models.priors.new_items: what is predicted of items without training interactions, and from which evidence."""

import pytest
import torch

from mmrec.models.content.content_matrix import read_content
from mmrec.models.priors.new_items import AddedItems, NewItems, Predicted
from mmrec.types import COLLABORATIVE, TEXT, DatasetSpec, Features, Interactions

N_USERS, N_KNOWN, N_NEW, DIM, RANK = 12, 30, 6, 4, 3
N_ITEMS = N_KNOWN + N_NEW


@pytest.fixture
def spec() -> DatasetSpec:
    """The last items have no interactions; the very last shows nothing, either. A second modality is noise."""
    generator = torch.Generator().manual_seed(0)
    train = Interactions(torch.arange(3 * N_KNOWN) % N_USERS, torch.arange(N_KNOWN).repeat(3))
    present = torch.arange(N_ITEMS) < N_ITEMS - 1
    text = torch.where(present[:, None], torch.randn(N_ITEMS, DIM, generator=generator), 0.0)
    noise = torch.where(present[:, None], torch.randn(N_ITEMS, DIM, generator=generator), 0.0)
    return DatasetSpec(N_USERS, N_ITEMS, train, {TEXT: Features(text, present, "made up"), "audio": Features(noise, present, "made up")})


@pytest.fixture
def vectors(spec: DatasetSpec) -> torch.Tensor:
    """A linear function of the text, but for new items."""
    truth = spec.features[TEXT].values @ torch.randn(DIM, RANK, generator=torch.Generator().manual_seed(1))
    return torch.where(torch.arange(N_ITEMS)[:, None] < N_KNOWN, truth, 0.0)


def test_every_item_that_shows_anything_gets_what_ridge_regression_says(spec: DatasetSpec, vectors: torch.Tensor) -> None:
    found = NewItems.of(spec)
    assert found is not None and found.shows.tolist() == [True] * (N_ITEMS - 1) + [False]
    predicted = found.predict(vectors)
    content = torch.from_numpy(read_content(spec).dense()).double()
    known, mean = content[:N_KNOWN], vectors[:N_KNOWN].double().mean(dim=0)
    weights = torch.linalg.solve(known.T @ known + 10.0 * torch.eye(2 * DIM).double(), known.T @ (vectors[:N_KNOWN].double() - mean))
    torch.testing.assert_close(predicted[:-1].double(), mean + content[:-1] @ weights, atol=1e-5, rtol=1e-4)
    assert not predicted[-1].any()


def test_a_hidden_modality_says_nothing(spec: DatasetSpec, vectors: torch.Tensor) -> None:
    alone = NewItems.of(DatasetSpec(N_USERS, N_ITEMS, spec.train, {"audio": spec.features["audio"]}))
    predicted = Predicted(spec, vectors)
    assert alone is not None
    torch.testing.assert_close(predicted.without([TEXT]), alone.predict(vectors))
    assert not torch.allclose(predicted.without([TEXT]), predicted.without([COLLABORATIVE]))
    assert predicted.without([TEXT, "audio"]).shape == (N_ITEMS, 0)


def test_of_a_catalogue_without_new_items_nothing_is_predicted(spec: DatasetSpec) -> None:
    everything = Interactions(torch.arange(N_ITEMS) % N_USERS, torch.arange(N_ITEMS))
    assert NewItems.of(DatasetSpec(N_USERS, N_ITEMS, everything, spec.features)) is None


def test_what_is_too_large_is_left_out_and_said(
    spec: DatasetSpec, vectors: torch.Tensor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("mmrec.models.content.ridge.MEMORY_BYTES", 100)
    with caplog.at_level("INFO"):
        assert Predicted(spec, vectors).without(()).shape == (N_ITEMS, 0)
    assert "no prediction for new items" in caplog.text and "GiB" in caplog.text


def test_items_that_are_added_are_predicted_as_if_they_had_been_there(spec: DatasetSpec, vectors: torch.Tensor) -> None:
    for n_before in (N_KNOWN, N_KNOWN + 2):  # without new items, and with some
        features = {name: Features(one.values[:n_before], one.present[:n_before]) for name, one in spec.features.items()}
        added = AddedItems(DatasetSpec(N_USERS, n_before, spec.train, features), vectors[:n_before])
        torch.testing.assert_close(added.predict(spec), NewItems.of(spec).predict(vectors), atol=1e-5, rtol=1e-4)
    bare = DatasetSpec(N_USERS, N_ITEMS, spec.train)
    assert AddedItems(bare, vectors).predict(bare).shape == (N_ITEMS, 0)
    assert AddedItems(spec, vectors[:, :0]).predict(spec).shape == (N_ITEMS, 0)
