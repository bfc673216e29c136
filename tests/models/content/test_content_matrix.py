"""mmrec.models.content.content_matrix: cosines by hand; every statistic is of training items; what is not there is left out."""

import numpy as np
import pytest
import torch

from mmrec.models.content.content_matrix import read_content, sources_of
from mmrec.models.recommender import LackingData
from mmrec.testing.checkerboard import all_warm_of_ones_colour, spec_of_colours
from mmrec.types import DatasetSpec, Features, Graph, Interactions, Words

TRAIN = Interactions(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 2]))
WORDS = Words(torch.tensor([0, 2, 3, 4, 6, 6]), torch.tensor([0, 1, 0, 1, 0, 2]), 3)
VALUES = torch.tensor([[0.0, 0.0], [2.0, 0.0], [4.0, 0.0], [1.0, 7.0], [9.0, 9.0]])
TEXT = Features(VALUES, torch.tensor([True, True, True, True, False]))


def test_words_by_hand() -> None:
    """Of three training items two have word 0, two word 1: both weigh ln 2.5. Word 2 is of no training item, item 4 has no word."""
    kernel = read_content(DatasetSpec(2, 5, TRAIN, words=WORDS)).kernel(torch.ones(5, dtype=torch.bool))
    half = 2**-0.5
    expected = [[1, half, half, half, 0], [half, 1, 0, 1, 0], [half, 0, 1, 0, 0], [half, 1, 0, 1, 0], [0, 0, 0, 0, 0]]
    np.testing.assert_allclose(kernel, expected, atol=1e-6)


def test_sources_count_alike_and_what_an_item_lacks_does_not_shorten_it() -> None:
    """Items 0 and 1 by text: -1 and 0 (the mean), item 3 new and negative: the cosine with item 0 is (1 + 1/√2) / 2."""
    content = read_content(DatasetSpec(2, 5, TRAIN, {"text": TEXT}, words=WORDS))
    assert list(content.blocks) == ["text", "words"] and content.present.tolist() == [True, True, True, True, False]
    kernel = content.kernel(torch.tensor([True, False, False, True, False]))
    assert kernel[:, 0] == pytest.approx([1.0, (1 + 2**-0.5) / 2]) and kernel[1, 3] == pytest.approx(1.0)
    np.testing.assert_allclose(content.dense() @ content.dense().T, content.kernel(torch.ones(5, dtype=torch.bool)), atol=1e-6)


def test_neighbours_in_both_directions_and_through_what_is_of_one_item_alone() -> None:
    """Items 0, 1, 2 are entities 0, 1, 2. 3 is a genre of 0 and 2; 4 a role of item 0 and 5 one of item 1, both of actor 6."""
    edges = torch.tensor([[0, 3, 0, 4, 6], [3, 2, 4, 6, 5]])
    edges = torch.cat([edges, torch.tensor([[1], [5]])], dim=1)
    graph = Graph(edges, torch.zeros(6, dtype=torch.int64), 7, 1, torch.tensor([0, 1, 2]))
    content = read_content(DatasetSpec(2, 3, TRAIN, graph=graph))
    kernel = content.kernel(torch.ones(3, dtype=torch.bool))
    np.testing.assert_allclose(kernel, [[1, 2**-0.5, 2**-0.5], [2**-0.5, 1, 0], [2**-0.5, 0, 1]], atol=1e-6)


def test_new_items_change_no_statistic() -> None:
    spec = DatasetSpec(2, 5, TRAIN, {"text": TEXT}, words=WORDS)
    other = Features(VALUES + torch.tensor([0.0, 0, 0, 50, 0])[:, None], TEXT.present)
    changed = DatasetSpec(2, 5, TRAIN, {"text": other}, words=WORDS)
    np.testing.assert_array_equal(read_content(spec).dense()[:3], read_content(changed).dense()[:3])


def test_sources() -> None:
    spec = spec_of_colours(all_warm_of_ones_colour())
    assert sources_of(spec) == ["text", "image", "kg", "words"]
    assert list(read_content(spec, ["kg", "audio"]).blocks) == ["kg"]
    with pytest.raises(LackingData, match="the data have no audio or video of training items"):
        read_content(spec, ["audio", "video"])
    with pytest.raises(LackingData, match="the data have no content of training items"):
        read_content(DatasetSpec(2, 5, TRAIN))
