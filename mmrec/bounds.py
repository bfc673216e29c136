"""The valid ranges of numbers in a configuration, by the name of their key, which is the name of an argument.

They are checked before any data are read; classes with further requirements check them in their constructors.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Bounds:
    """The finite numbers from `low` to `high`, inclusive except for those in `without`; `also` is a further valid value."""

    low: float = -math.inf
    high: float = math.inf
    without: tuple[float, ...] = ()
    also: float | None = None

    def __contains__(self, value: float) -> bool:
        inside = self.low <= value <= self.high and math.isfinite(value) and value not in self.without
        return inside or value == self.also

    def __str__(self) -> str:
        ends = [] if math.isinf(self.low) else [f"{'above' if self.low in self.without else 'at least'} {self.low:g}"]
        ends += [] if math.isinf(self.high) else [f"{'below' if self.high in self.without else 'at most'} {self.high:.10g}"]
        return (" and ".join(ends) or "a finite number") + ("" if self.also is None else f", or {self.also:g}")


_NAMES = {
    Bounds(): "min_rating liked_from disliked_to",
    Bounds(0, 2**32 - 1): "seed seeds",
    Bounds(1): "n_seeds batch_size n_negatives every_n_steps accumulate_grad_batches epochs n_epochs n_iterations max_sweeps k ks "
    "embedding_dim relation_dim content_dim hidden_dim layer_dims rank n_heads n_intents n_triples n_bases n_neighbors n_neighbours "
    "max_length max_items max_items_per_step group_size width n_tokens window n_components n_samples fold n_folds year n_users n_items "
    "n_interactions max_given impressions_per_user min_per_user min_per_item features.n_workers candidates at_most n_batches fits steps "
    "restarts n_changes",
    Bounds(3): "slices",
    Bounds(0): "plateau_epochs n_workers n_layers n_burn_in warmup_steps frozen_epochs damping patience examples k_core min_degree "
    "log_every_n_steps gradient_clip_val lr embedding_lr weight_decay eps momentum regularization alpha beta l1 l2 "
    "shrinkage independence content_weight contrastive_weight modality_weights time_weight value_power degree_power "
    "k1 smoothing frequency_power content_regularization factor_regularization margin link_prediction contrast "
    "heads.rating heads.click exemplars weight n_given n_steps rounds threshold n_unlabelled epsilon",
    Bounds(0, without=(0,)): "learning_rate inner_lr temperature init_scale half_life_days session_gap_hours time_span tolerance max_gib "
    "minutes attribution_hours rate_per_s request_timeout_s",
    Bounds(0, 1): "b initial final least initial_share share hidden_share replaced decay trade_off trade_offs max_loss augment.changes",
    Bounds(0, 1, without=(0,)): "reduction rise layer_decay train_share",
    Bounds(0, 1, without=(1,)): "dropout edge_dropout hidden betas valid_ratio test_ratio heads.items heads.search",
    Bounds(0, 65535): "port",
    Bounds(1, 256): "threads workers max_workers",
    Bounds(1, 255): "epsilon_255",
    Bounds(1, also=-1): "max_epochs max_steps jobs",
    Bounds(-1): "devices num_sanity_val_steps",
}
BOUNDS = {name: bounds for bounds, names in _NAMES.items() for name in names.split()}
"""By the last names of a dotted key; the bounds of a key apply to everything below it, and to all elements of a list."""


def bounds_of(path: Sequence[str]) -> Bounds | None:
    """The bounds of the value at a key, given as a sequence of names; None if it has none."""
    for end in range(len(path), 0, -1):
        for start in range(end):
            if (found := BOUNDS.get(".".join(path[start:end]))) is not None:
                return found
    return None


def out_of_bounds(node: Any, path: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """The keys below a node of plain values whose numbers are out of bounds, each with the expected and the actual value."""
    if isinstance(node, dict):
        for name, child in node.items():
            yield from out_of_bounds(child, (*path, str(name)))
    elif isinstance(node, list):
        for child in node:
            yield from out_of_bounds(child, path)
    elif isinstance(node, int | float) and not isinstance(node, bool):
        bounds = bounds_of(path)
        if bounds is not None and node not in bounds:
            yield ".".join(path), f"expected {bounds}, found {node}"
