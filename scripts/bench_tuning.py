"""A training step of a text encoder by each method of `tune.text`, beside the bare tensor code of the same step.

    python scripts/bench_tuning.py                                   # the default encoder, texts of the generated shop
    python scripts/bench_tuning.py --items 128 --max-length 64 text_encoder=bert_base

`step` encodes --items distinct items as training does, sums the vectors, goes back and makes a step of AdamW. `bare` is the same with the
network alone on inputs that are already grouped and padded. `saved` are the bytes of activations that the backward pass keeps. Seconds are
of the clock, medians of --repeats, in turns; ratios are to `full`.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import mmrec._torchvision  # noqa: F401  before all that may reach torchvision

import hydra
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from mmrec.config.build import build
from mmrec.data.features.item_inputs import TextInputs
from mmrec.data.features.texts import item_texts
from mmrec.experiment.encoders.tuned import make_tuned_encoder
from mmrec.nn.adapters.tuning import METHODS, NONE, EncoderTraining, Tuning
from mmrec.nn.encoders.tuned import TunedEncoder
from mmrec.schemas import register_schemas
from mmrec.types import Features


def make_inputs(words: list[str], n_items: int, max_length: int) -> TextInputs:
    """The first texts of a dataset with the configured encoder."""
    register_schemas()
    with hydra.initialize_config_module("mmrec.conf", version_base="1.3"):
        cfg = hydra.compose("train", ["data=demo_shop", f"encoders.text.max_length={max_length}", *words])
    dataset = build(cfg, "data")
    texts = [text for text in item_texts(dataset.items, dataset.text_columns) if text][:n_items]
    return TextInputs(build(cfg, "encoders.text"), texts, torch.ones(len(texts), dtype=torch.bool))


def make_steps(encoder: TunedEncoder) -> dict[str, Callable[[], object]]:
    """A training step as mmrec makes it, and the bare one on the same groups."""
    weights = list(encoder.network.trained().values())
    optimizer = torch.optim.AdamW(weights, lr=1e-6)
    everything, generator = torch.ones_like(encoder.present), torch.Generator()
    order = encoder.rows.lengths(torch.arange(len(everything))).argsort(stable=True)
    groups = [encoder.rows.take(group) for group in order.split(encoder.training_plan.group_size)]

    def step(encode: Callable[[], Tensor]) -> None:
        optimizer.zero_grad()
        encode().sum().backward()
        optimizer.step()

    return {
        "step": lambda: step(lambda: encoder(None, everything, generator)),
        "bare": lambda: step(lambda: torch.cat([encoder.network(group) for group in groups])),
    }


def saved_bytes(run: Callable[[], object]) -> int:
    """The bytes of distinct tensors that the backward pass of a step keeps, weights included."""
    found: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        found[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        run()
    return sum(found.values())


def seconds(run: Callable[[], object]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=256)
    parser.add_argument("--max-length", type=int, default=64)
    parser.add_argument("--n-layers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("words", nargs="*", help="overrides of `mmrec train`")
    asked = parser.parse_args()
    inputs = make_inputs(asked.words, asked.items, asked.max_length)
    n_items = len(inputs.raw)
    frozen = Features(torch.randn(n_items, inputs.encoder.feature_dim), inputs.present)
    plan = EncoderTraining(max_items_per_step=None)
    methods = [method for method in METHODS if method != NONE]
    steps = {method: make_steps(make_tuned_encoder(inputs, frozen, Tuning(method, asked.n_layers), plan)) for method in methods}
    memory = {method: saved_bytes(found["bare"]) for method, found in steps.items()}  # warms up, too
    taken = {(method, name): list[float]() for method in methods for name in ("step", "bare")}
    for _ in range(asked.repeats):
        for method, name in taken:
            taken[method, name].append(seconds(steps[method][name]))
    median = {key: statistics.median(values) for key, values in taken.items()}
    table = Table("tune.text", "step s", "to full", "to bare", "items/s", "saved MB", "to full")
    for method in methods:
        step, bare = median[method, "step"], median[method, "bare"]
        ratios = f"{step / median['full', 'step']:.2f}", f"{step / bare:.2f}"
        table.add_row(
            method, f"{step:.3f}", *ratios, f"{n_items / step:.0f}", f"{memory[method] / 1e6:.0f}", f"{memory[method] / memory['full']:.2f}"
        )
    console = Console()
    console.print(f"{inputs.encoder.name}, {n_items} items, {len(inputs.table.values)} tokens, {torch.get_num_threads()} threads")
    console.print(table)


if __name__ == "__main__":
    main()
