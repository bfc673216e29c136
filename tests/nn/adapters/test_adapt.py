"""What each method trains, that training starts at the pretrained encoder, and that settings which do not fit are refused."""

import re

import pytest
import torch

from mmrec.errors import ConfigError
from mmrec.nn.adapters.adapt import adapt
from mmrec.nn.adapters.layers import Layers, states_before
from mmrec.nn.adapters.tuning import METHODS, NONE, EncoderTraining, Tuning
from mmrec.nn.encoders.tuned_network import TunedNetwork
from tests.nn.encoders.tiny_transformers import DIM, FAMILIES, N_LAYERS, ROWS, make_network

TUNED = [method for method in METHODS if method != NONE]


def rows_for(network: TunedNetwork, family: str = "bert") -> list[torch.Tensor]:
    """The inputs of a tuned network for `ROWS`: states of the frozen layers, each computed alone."""
    if network.first is None:
        return ROWS
    model = make_network(family).model
    layer = Layers(model).stack[network.first]
    return [states_before(model, layer, input_ids=row[None], attention_mask=torch.ones(1, len(row)).long())[0] for row in ROWS]


@pytest.mark.parametrize(
    ("method", "trained"),
    [
        ("last_n", {"encoder.layer.1", "encoder.layer.2"}),
        ("full", {"embeddings", "encoder.layer.0", "encoder.layer.1", "encoder.layer.2"}),
        ("lora", {"encoder.layer.1.attention.self", "encoder.layer.2.attention.self"}),
        ("adalora", {"encoder.layer.1.attention.self", "encoder.layer.2.attention.self"}),
        ("adapters", {f"encoder.layer.{n}.{part}" for n in (1, 2) for part in ("attention.output.dense", "output.dense")}),
        ("prefix", {"prefixes.1", "prefixes.2"}),
    ],
)
def test_a_method_trains_what_it_says_and_all_of_it_gets_gradients(method: str, trained: set[str]) -> None:
    network = TunedNetwork(make_network(), Tuning(method, rank=2, width=4))
    names = list(network.trained())
    assert all(any(part in name for name in names) for part in trained)
    assert all(any(part in name for part in trained) for name in names)
    if method in ("lora", "adalora"):  # the initial update is zero, so that one of its factors has no gradient
        for name, parameter in network.trained().items():
            parameter.data += 0.1 if "lora_" in name else 0.0
    network(rows_for(network)).pow(2).sum().backward()
    assert [name for name, one in network.trained().items() if one.grad is None or not one.grad.any()] == unmoved(method)
    assert all("*" in name or method == "full" for name in network.share().names)
    assert network.share().n_trained == sum(one.numel() for one in network.trained().values())


def unmoved(method: str) -> list[str]:
    """Weights without a gradient in the first step: `W_down` behind a `W_up` of zeros; keys have a bias that softmax ignores."""
    if method == "adapters":
        ends = [f"encoder.layer.{n}.{part}" for n in (1, 2) for part in ("attention.output.dense", "output.dense")]
        return [f"model.{end}.down.{kind}" for end in ends for kind in ("weight", "bias")]
    return []


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", TUNED)
def test_training_starts_at_the_pretrained_encoder_in_every_family(family: str, method: str) -> None:
    expected = make_network(family)(ROWS)
    network = TunedNetwork(make_network(family), Tuning(method, rank=2, width=4, n_tokens=3))
    with torch.no_grad():
        found = network(rows_for(network, family))
    if method == "prefix":  # other tokens attend to it
        assert (found - expected).norm(dim=1).min() > 1e-4
    else:
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_every_layer_of_a_prefix_changes_the_output() -> None:
    """A prefix in the key-value cache, as decoders have it, would change nothing in an encoder."""
    network = TunedNetwork(make_network(), Tuning("prefix", n_tokens=3))
    rows = rows_for(network)
    before = network(rows).detach()
    for at in ("1", "2"):
        with torch.no_grad():
            network.prefixes[at].vectors += 1.0
        after = network(rows).detach()
        assert (after - before).norm(dim=1).min() > 1e-3
        before = after


def test_frozen_layers_are_dropped_and_their_states_are_those_of_the_whole_model() -> None:
    network = TunedNetwork(make_network(), Tuning("last_n", n_layers=1))
    assert network.first == N_LAYERS - 1
    left = sum(one.numel() for one in network.parameters())
    assert left < network.n_total - 2 * 4 * DIM * DIM
    everything = TunedNetwork(make_network(), Tuning("last_n", n_layers=None))
    assert everything.first == 0 and len(everything.trained()) == N_LAYERS * len(network.trained())


def test_the_depth_of_a_weight_counts_layers_from_the_top() -> None:
    network = TunedNetwork(make_network(), Tuning("full"))
    depths = {name: network.depth_of(name) for name in network.trained()}
    assert {depth for name, depth in depths.items() if "layer.2." in name} == {0}
    assert {depth for name, depth in depths.items() if "layer.0." in name} == {2}
    assert {depth for name, depth in depths.items() if "embeddings" in name} == {N_LAYERS}
    prefix = TunedNetwork(make_network(), Tuning("prefix"))
    assert [prefix.depth_of(name) for name in prefix.trained()] == [1, 0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "lorra"}, "tune.text: `lorra` is no way to tune an encoder; did you mean `lora`"),
        ({"method": "lora", "rank": 17}, "tune.rank: encoder.layer.1.attention.self.query has a width of 16, which a rank of 17 exceeds"),
        ({"method": "adalora", "rank": 12}, "which a rank of 18 exceeds"),
        ({"method": "lora", "modules": ["queri"]}, "tune.modules: no linear map of a tuned layer is called `queri`; did you mean `query`"),
        ({"method": "lora", "n_layers": 4}, "tune.n_layers: the encoder has 3 layers, found 4; null stands for all"),
        ({"method": "prefix", "modules": ["query"]}, "tune.modules: only lora, adalora and adapters change single modules"),
        ({"method": "adapters", "width": 0}, "tune.width: expected at least 1, found 0"),
        ({"method": "lora", "alpha": 0.0}, "tune.alpha: expected more than 0, found 0.0"),
    ],
)
def test_settings_that_do_not_fit_are_refused_by_name(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        adapt(make_network().model, Tuning(**settings))


@pytest.mark.parametrize(("name", "value"), [("layer_decay", 0.0), ("layer_decay", 1.1), ("warmup_steps", -1), ("max_items_per_step", 0)])
def test_plans_that_cannot_be_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"tune.{name}: expected"):
        EncoderTraining(**{name: value})
