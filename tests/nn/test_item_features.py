"""The features that a model keeps: modalities that someone has, outside its checkpoint."""

import pytest
import torch

from mmrec.nn.item_features import ItemFeatures
from mmrec.types import Features

VALUES = torch.arange(6.0).view(3, 2)


def test_a_modality_that_no_item_has_is_none() -> None:
    some, none = torch.tensor([True, False, False]), torch.zeros(3, dtype=torch.bool)
    found = ItemFeatures({"image": Features(VALUES, none), "text": Features(VALUES, some), "audio": Features(VALUES[:, :1], ~some)}, "x")
    assert found.names == ("text", "audio") and found.dims == {"text": 2, "audio": 1} and not found.state_dict()
    assert [name for name, *_ in found.items()] == ["text", "audio"] and torch.equal(found.values("text"), VALUES)
    assert found.present("text").tolist() == [True, False, False]


@pytest.mark.parametrize("features", [{}, {"text": Features(VALUES, torch.zeros(3, dtype=torch.bool))}])
def test_none_at_all_is_refused(features: dict[str, Features]) -> None:
    with pytest.raises(ValueError, match="freedom needs items with text"):
        ItemFeatures(features, "freedom")


@pytest.mark.parametrize("repetitions", [1, 5])
def test_projections_are_of_the_items_asked_for(repetitions: int) -> None:
    """By the row, or, where more are asked for than there are, by way of the whole catalogue."""
    features, rows = ItemFeatures({"text": Features(VALUES, torch.ones(3, dtype=torch.bool))}, "x"), []
    one, two = torch.tensor([2] * repetitions), torch.tensor([[0]] * repetitions)

    def project(values: torch.Tensor) -> torch.Tensor:
        rows.append(values[..., 0].numel())
        return 10 * values

    first, second = features.project("text", project, one, two)
    assert torch.equal(first, 10 * VALUES[one]) and torch.equal(second, 10 * VALUES[two])
    assert rows == ([1, 1] if repetitions == 1 else [3])
