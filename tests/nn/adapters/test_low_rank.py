"""LoRA and AdaLoRA: what peft reads and merges is what was trained, and ranks follow their schedule only if it is called."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from mmrec.nn.adapters.low_rank import RankSchedule
from mmrec.nn.adapters.tuning import Tuning
from mmrec.nn.encoders.tuned_network import TunedNetwork
from tests.nn.adapters.test_adapt import rows_for
from tests.nn.encoders.tiny_transformers import ROWS, make_network

peft = pytest.importorskip("peft")
N_STEPS = 20


def train(network: TunedNetwork, n_steps: int, schedule: RankSchedule | None) -> None:
    """Some steps towards vectors of ones."""
    optimizer, rows = torch.optim.Adam(network.trained().values(), lr=0.05), rows_for(network)
    for step in range(1, n_steps + 1):
        optimizer.zero_grad()
        (network(rows) - 1).pow(2).mean().backward()
        optimizer.step()
        if schedule is not None:
            schedule.step(step)


def ranks_left(network: TunedNetwork) -> list[int]:
    """The number of singular values that are not masked, by module."""
    return [int((one != 0).sum()) for name, one in network.trained().items() if "lora_E" in name]


@pytest.mark.parametrize("method", ["lora", "adalora"])
def test_a_saved_adapter_loads_with_peft_and_merged_equals_adapted(method: str, tmp_path: Path) -> None:
    network = TunedNetwork(make_network(), Tuning(method, rank=2))
    if network.ranks is not None:
        network.ranks.start(N_STEPS)
    train(network, N_STEPS, network.ranks)
    expected: Tensor = network(rows_for(network)).detach()
    network.save(tmp_path / "text")
    assert {path.name for path in (tmp_path / "text").iterdir()} == {"adapter_model.safetensors", "adapter_config.json"}
    text = make_network()
    assert (text(ROWS) - expected).abs().max() > 0.05
    text.model = peft.PeftModel.from_pretrained(text.model, str(tmp_path / "text"))
    torch.testing.assert_close(text(ROWS), expected, atol=1e-5, rtol=1e-5)
    text.model = text.model.merge_and_unload()
    torch.testing.assert_close(text(ROWS), expected, atol=1e-5, rtol=1e-5)
    assert not any("lora" in name for name, _ in text.model.named_parameters())


def test_ranks_are_reduced_to_the_budget_over_the_true_number_of_steps_and_only_if_called() -> None:
    torch.manual_seed(0)
    network = TunedNetwork(make_network(), Tuning("adalora", rank=2))
    assert network.ranks is not None
    network.ranks.start(N_STEPS)
    train(network, 4, network.ranks)
    assert 2 * 4 < sum(ranks_left(network)) < 3 * 4
    train(network, N_STEPS, network.ranks)
    assert sum(ranks_left(network)) == 2 * 4  # two on average, in queries and values of two layers
    forgotten = TunedNetwork(make_network(), Tuning("adalora", rank=2))
    train(forgotten, N_STEPS, None)
    assert ranks_left(forgotten) == [3, 3, 3, 3]


def test_a_schedule_goes_on_from_its_state() -> None:
    def at_the_middle() -> TunedNetwork:
        torch.manual_seed(0)
        network = TunedNetwork(make_network(), Tuning("adalora", rank=2))
        network.ranks.start(N_STEPS)
        train(network, N_STEPS // 2, network.ranks)
        return network

    whole, resumed = at_the_middle(), TunedNetwork(make_network(), Tuning("adalora", rank=2))
    resumed.load_state_dict(whole.state_dict())
    resumed.ranks.start(N_STEPS)
    resumed.ranks.restore(whole.ranks.state(), torch.device("cpu"))
    for network in (whole, resumed):
        (network(rows_for(network)) - 1).pow(2).mean().backward()
        network.ranks.step(N_STEPS - int(0.3 * N_STEPS))
    assert ranks_left(whole) == ranks_left(resumed) and sum(ranks_left(whole)) == 8
    assert all(one.equal(resumed.trained()[name]) for name, one in whole.trained().items())
