"""An encoder inside a recommender: which items a step encodes, when the catalogue is encoded again, and what a checkpoint contains."""

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mmrec.data.features.item_inputs import TextInputs
from mmrec.errors import ConfigError
from mmrec.experiment.encoders.tuned import make_tuned_encoder
from mmrec.nn.adapters.tuning import EncoderTraining, Tuning
from mmrec.nn.encoders.text import BertTextEncoder
from mmrec.nn.encoders.tuned import TunedEncoder
from mmrec.types import Features
from tests.nn.encoders.tiny_transformers import make_encoder

N_ITEMS, WITHOUT = 9, 4
TRAINED = torch.arange(N_ITEMS) != 7
"""All but one have training interactions."""


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> BertTextEncoder:
    return make_encoder(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def inputs(encoder: BertTextEncoder) -> TextInputs:
    """Texts of different lengths; one item has none."""
    texts = [
        None if item == WITHOUT else " ".join(f"w{(item * 3 + n) % 13}" for n in range(1 + item % 5)).encode() for item in range(N_ITEMS)
    ]
    return TextInputs(encoder, texts, torch.arange(N_ITEMS) != WITHOUT)


@pytest.fixture(scope="module")
def features(inputs: TextInputs) -> Features:
    """The frozen features."""
    items = inputs.present.nonzero().squeeze(1)
    values = torch.zeros(N_ITEMS, inputs.encoder.feature_dim)
    values[items] = inputs.encoder.encode(inputs.take(items))
    return Features(values, inputs.present)


def make(inputs: TextInputs, features: Features, method: str = "last_n", cache: Path | None = None, **plan: object) -> TunedEncoder:
    torch.manual_seed(0)
    return make_tuned_encoder(inputs, features, Tuning(method, n_layers=1, rank=2), EncoderTraining(**plan), cache)  # type: ignore[arg-type]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def listen(encoder: TunedEncoder, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of texts in each group that is encoded from now on."""
    groups: list[int] = []
    run = encoder.network.forward

    def forward(rows: list[Tensor]) -> Tensor:
        lengths = [len(row) for row in rows]
        assert lengths == sorted(lengths)
        groups.append(len(rows))
        return run(rows)

    monkeypatch.setattr(encoder.network, "forward", forward)
    return groups


@pytest.mark.parametrize("method", ["last_n", "full"])
def test_the_catalogue_starts_as_the_standardised_frozen_features(method: str, inputs: TextInputs, features: Features) -> None:
    known = features.values[features.present]
    expected = (known - known.mean(dim=0)) / (known - known.mean(dim=0)).pow(2).mean().sqrt()
    found = make(inputs, features, method).catalogue()
    torch.testing.assert_close(found[features.present], expected, atol=1e-4, rtol=1e-4)
    assert not found[WITHOUT].any()


def test_a_step_encodes_each_distinct_item_once_in_groups_of_similar_length(
    inputs: TextInputs, features: Features, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = make(inputs, features, max_items_per_step=None, group_size=3)
    whole, groups = encoder.catalogue(), listen(encoder, monkeypatch)
    items = torch.tensor([0, 2, WITHOUT, 6, 8])
    vectors = encoder(items, TRAINED, generator())
    assert groups == [3, 1] and vectors.requires_grad
    torch.testing.assert_close(vectors, whole[items], atol=1e-5, rtol=1e-5)
    assert encoder.encodings == (4, 0)
    groups.clear()
    torch.testing.assert_close(encoder(None, TRAINED, generator())[TRAINED], whole[TRAINED], atol=1e-5, rtol=1e-5)
    assert sum(groups) == 7  # neither the item without text nor the one that is never trained on


def test_items_beyond_the_limit_keep_their_last_vectors_and_are_counted(inputs: TextInputs, features: Features) -> None:
    encoder = make(inputs, features, max_items_per_step=3)
    before = encoder.last.clone()
    with torch.no_grad():
        for one in encoder.network.trained().values():
            one += 0.1
    vectors = encoder(None, TRAINED, generator())
    changed = (vectors != before).any(dim=1)
    assert int(changed.sum()) == 3 and encoder.encodings == (3, 4)
    assert encoder.last.equal(vectors.detach())
    torch.testing.assert_close(vectors[changed], encoder.catalogue()[changed], atol=1e-5, rtol=1e-5)
    vectors[~changed].sum().backward()
    assert not any(one.grad.any() for one in encoder.network.trained().values() if one.grad is not None)
    assert encoder(None, TRAINED, generator()).equal(vectors)  # the same generator, hence the same items
    encoder(None, TRAINED, generator(1))
    assert int((encoder.last != before).any(dim=1).sum()) > 3


def test_the_catalogue_is_encoded_again_only_when_weights_have_changed(
    inputs: TextInputs, features: Features, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = make(inputs, features)
    groups = listen(encoder, monkeypatch)
    first = encoder.catalogue()
    assert encoder.catalogue() is first and groups == [N_ITEMS - 1]
    with torch.no_grad():
        next(iter(encoder.network.trained().values())).view(-1)[0] += 0.5
    assert not encoder.catalogue().equal(first) and len(groups) == 2
    encoder.load_state_dict(make(inputs, features).state_dict())
    torch.testing.assert_close(encoder.catalogue(), first)
    assert len(groups) == 3


def test_a_held_encoder_gives_frozen_features_without_encoding(
    inputs: TextInputs, features: Features, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = make(inputs, features, "prefix")
    groups = listen(encoder, monkeypatch)
    encoder.is_held.fill_(True)
    assert encoder(None, TRAINED, generator()).equal(encoder.frozen) and encoder.catalogue().equal(encoder.frozen) and not groups
    again = make(inputs, features, "prefix")
    again.load_state_dict(encoder.state_dict())
    assert again.catalogue().equal(encoder.frozen)


@pytest.mark.parametrize("method", ["last_n", "adapters", "prefix"])
def test_a_state_has_what_was_trained_alone_and_restores_the_encoder(method: str, inputs: TextInputs, features: Features) -> None:
    encoder = make(inputs, features, method)
    with torch.no_grad():
        for one in encoder.network.trained().values():
            one += 0.1 * torch.randn(one.shape, generator=generator())
    encoder(None, TRAINED, generator())
    state = encoder.state_dict()
    assert {name.removeprefix("network.") for name in state if name.startswith("network.")} == set(encoder.network.trained())
    other = make(inputs, features, method)
    assert not other.catalogue().equal(encoder.catalogue())
    other.load_state_dict(copy.deepcopy(state))
    assert other.catalogue().equal(encoder.catalogue()) and other.encodings == encoder.encodings and other.last.equal(encoder.last)
    assert copy.deepcopy(encoder).catalogue().equal(encoder.catalogue())


def test_equal_texts_and_too_long_prefixes_are_refused(encoder: BertTextEncoder, features: Features) -> None:
    equal = TextInputs(encoder, [b"w1 w2"] * N_ITEMS, torch.ones(N_ITEMS, dtype=torch.bool))
    with pytest.raises(ConfigError, match=r"tune.text: expected items with different texts, all 9 are the same to tiny"):
        make(equal, features)
    different = TextInputs(encoder, [b"w1", b"w2"], torch.ones(2, dtype=torch.bool))
    with pytest.raises(ConfigError, match=r"tune.n_tokens: expected at most 24 beside texts of 16 tokens, found 25"):
        make_tuned_encoder(different, features, Tuning("prefix", n_tokens=25))


def test_gradient_checkpointing_changes_no_gradient(inputs: TextInputs, features: Features) -> None:
    gradients = []
    for recomputed in (False, True):
        encoder = make(inputs, features, max_items_per_step=None, group_size=2, gradient_checkpointing=recomputed)
        encoder(None, TRAINED, generator()).pow(2).sum().backward()
        gradients.append([one.grad for one in encoder.network.trained().values()])
    for plain, again in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, again)


def test_states_of_frozen_layers_are_computed_once_and_again_where_they_are_damaged(
    inputs: TextInputs, features: Features, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[int] = []
    from mmrec.nn.encoders import hidden_states

    before = hidden_states.states_before
    monkeypatch.setattr(hidden_states, "states_before", lambda *args, **more: computed.append(1) or before(*args, **more))
    first = make(inputs, features, cache=tmp_path).catalogue()
    assert len(computed) == 1
    assert make(inputs, features, cache=tmp_path).catalogue().equal(first) and len(computed) == 1
    (path,) = (tmp_path / "hidden_states").iterdir()
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.warns(UserWarning, match="damaged hidden states dropped"):
        assert make(inputs, features, cache=tmp_path).catalogue().equal(first)
    assert len(computed) == 2
    moved = make(inputs.reordered(torch.arange(N_ITEMS).flip(0)), features, cache=tmp_path)
    torch.testing.assert_close(moved.catalogue()[0], first[8], atol=1e-5, rtol=1e-5)
    assert len(computed) == 2  # the same texts
