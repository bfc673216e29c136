"""A text or image encoder inside a recommender: a step encodes a bounded number of items, an evaluation the whole catalogue."""

from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mmrec.data.pictures.prepared import PictureRows
from mmrec.nn.adapters.augmentation import Augment
from mmrec.nn.adapters.tuning import EncoderTraining
from mmrec.nn.encoders.hidden_states import TokenRows
from mmrec.nn.encoders.pretrained import PretrainedEncoder
from mmrec.nn.encoders.tuned_network import TrainedNetwork
from mmrec.nn.item_features import centre_and_scale, standardize
from mmrec.nn.look_up import rows_of
from mmrec.types import Features, UserTexts

_CATALOGUE_GROUP = 64


class Encodings(NamedTuple):
    """How many texts were encoded in training steps, and how many kept their last vectors."""

    n_encoded: int
    n_kept: int


class TunedEncoder(PretrainedEncoder):
    """The vectors of a catalogue's items by an encoder that is trained.

    In a training step, `forward` encodes every distinct item of the batch once, in groups of similar length, but no more than
    `max_items_per_step` of them: a random selection that is equal in all processes. The others keep their last vectors, which are constants
    in this step. `catalogue` encodes all items, only when weights have changed since the last time.

    Vectors are centred and scaled by the statistics of the frozen features, so that training starts where the frozen encoder is. Neither
    the encoder's frozen weights nor the inputs are in the `state_dict`.

    Texts about users come after the items, so that row `n_items + r` is row `r` of `UserTexts`, and all that is said of items here holds
    for them too. The catalogue has only their whole texts.

    With `augment`, inputs are changed at random in training steps. The change of an item depends on the generator and the item alone, so
    that it is equal after resuming and for any number of processes.

    Args:
        network: the network and its method.
        rows: the inputs of all items, and of all texts about users.
        frozen: the features of the items by the untuned encoder.
        training: limits of a step, learning rates and schedule.
        users: the texts about users.
        augment: changes the inputs in training steps.
    """

    centre: Float[Tensor, " dim"]
    scale: Float[Tensor, ""]
    frozen: Float[Tensor, "n_items dim"]
    last: Float[Tensor, "n_items dim"]
    counts: Int64[Tensor, "2"]
    is_held: Bool[Tensor, ""]
    present: Bool[Tensor, " n_items"]

    def __init__(
        self,
        network: TrainedNetwork,
        rows: TokenRows | PictureRows,
        frozen: Features,
        training: EncoderTraining,
        users: UserTexts | None = None,
        augment: Augment | None = None,
    ) -> None:
        super().__init__()
        self.network, self.rows, self.training_plan, self.augment = network, rows, training, augment
        centre, scale = centre_and_scale(frozen.values, frozen.present)
        standardized, self.n_catalogue = standardize(frozen.values, frozen.present), len(frozen.present)
        if users is not None:
            of_users = torch.where(users.features.present[:, None], (users.features.values - centre) / scale, 0.0)
            standardized = torch.cat([standardized, of_users])
            self.n_catalogue += len(of_users) // (1 + users.n_folds)
        self.register_buffer("centre", centre)
        self.register_buffer("scale", scale)
        self.register_buffer("frozen", standardized, persistent=False)
        self.register_buffer("last", standardized.clone(), persistent=training.max_items_per_step is not None)
        self.register_buffer("counts", torch.zeros(2, dtype=torch.int64))
        self.register_buffer("is_held", torch.tensor(False))
        self.register_buffer("present", rows.present, persistent=False)
        self._known: tuple[list[Tensor], Tensor] | None = None
        self.register_state_dict_post_hook(_without_frozen)
        self.register_load_state_dict_pre_hook(_with_frozen)

    def __getstate__(self) -> dict[str, Any]:
        """Without the encoded catalogue, which another process computes when it needs it."""
        return self.__dict__ | {"_known": None}

    @property
    def encodings(self) -> Encodings:
        """The counts of all training steps so far, in this process."""
        return Encodings(*self.counts.tolist())

    def forward(
        self, item_idx: Int64[Tensor, " n"] | None, trained: Bool[Tensor, " n_items"], generator: torch.Generator
    ) -> Float[Tensor, "n dim"]:
        """The standardised vectors of the distinct, ascending items of a training step.

        Args:
            item_idx: the items. None: all, of which only those in `trained` are encoded.
            trained: the items with training interactions.
            generator: selects the items to encode; equal in all processes.

        Returns:
            Vectors `(n, dim)`, with gradients for those that are encoded; zero for items without an input.
        """
        if self.is_held:
            return rows_of(self.frozen, item_idx)
        wanted = self.present & trained
        if item_idx is not None:
            wanted = wanted & torch.zeros_like(wanted).index_fill(0, item_idx, True)
        chosen = self._choose(wanted, generator)
        mine = chosen[wanted[chosen]]
        vectors = rows_of(self.last, item_idx).detach()
        self.counts += torch.stack([torch.as_tensor(len(mine), device=wanted.device), wanted.sum() - len(mine)])
        seed = None if self.augment is None else int(torch.randint(2**31, (), generator=generator))
        fresh = self._encode(mine, self.training_plan.group_size, seed) if len(mine) else self.last[:0]
        if self.training_plan.max_items_per_step is not None:  # in every process, also in one without items to encode
            self._remember(chosen, mine, fresh.detach())
        places = mine if item_idx is None else torch.searchsorted(item_idx, mine)
        return vectors.index_copy(0, places, fresh)

    @torch.no_grad()
    def catalogue(self) -> Float[Tensor, "n_catalogue dim"]:
        """The standardised vectors of all items and of the whole texts about users, without gradients."""
        if self.is_held:
            return self.frozen[: self.n_catalogue]
        weights = self.network.trained().values()
        if self._known is None or not all(map(torch.equal, weights, self._known[0])):
            items = self.present[: self.n_catalogue].nonzero().squeeze(1)
            vectors = torch.zeros_like(self.frozen[: self.n_catalogue])
            if len(items):
                vectors[items] = self._encode(items, _CATALOGUE_GROUP)
            self.take_catalogue(vectors)
            return vectors
        return self._known[1]

    def take_catalogue(self, vectors: Float[Tensor, "n_catalogue dim"]) -> None:
        """Use vectors that `catalogue` gave for the same weights and inputs, instead of computing them."""
        self._known = [one.detach().clone() for one in self.network.trained().values()], vectors.to(self.frozen)

    def _choose(self, wanted: Bool[Tensor, " n_items"], generator: torch.Generator) -> Int64[Tensor, " chosen"]:
        """Items to encode by all processes together, ascending."""
        limit = self.training_plan.max_items_per_step
        if limit is None:
            return wanted.nonzero().squeeze(1)
        noise = torch.rand(len(wanted), generator=generator).to(wanted.device)
        if _is_distributed():
            union = wanted.to(torch.uint8)
            dist.all_reduce(union, dist.ReduceOp.MAX)
            wanted = union.bool()
        items = wanted.nonzero().squeeze(1)
        return items if len(items) <= limit else items[noise[items].argsort()[:limit]].sort().values

    def _remember(self, chosen: Int64[Tensor, " chosen"], mine: Int64[Tensor, " mine"], fresh: Float[Tensor, "mine dim"]) -> None:
        """Store new vectors; in distributed training those of all processes."""
        if not _is_distributed():
            self.last[mine] = fresh
            return
        sums = fresh.new_zeros(len(chosen), fresh.shape[1] + 1)
        sums[torch.searchsorted(chosen, mine)] = nn.functional.pad(fresh, (0, 1), value=1.0)
        dist.all_reduce(sums)
        self.last[chosen] = sums[:, :-1] / sums[:, -1:]

    def _encode(self, items: Int64[Tensor, " n"], group_size: int, seed: int | None = None) -> Float[Tensor, "n dim"]:
        """Encode items in groups of similar length, with inputs that are augmented if there is a seed."""
        order = self.rows.lengths(items.cpu()).argsort(stable=True)
        groups = items.cpu()[order].split(group_size)
        vectors = torch.cat([self._encode_group(self._take(group, seed)) for group in groups])
        place = torch.empty_like(order).scatter_(0, order, torch.arange(len(order))).to(vectors.device)
        return (rows_of(vectors, place) - self.centre) / self.scale

    def _take(self, items: Int64[Tensor, " group"], seed: int | None) -> list[Tensor]:
        rows, augment = self.rows.take(items), self.augment
        if augment is None or seed is None:
            return rows
        generators = (torch.Generator().manual_seed(seed * 1_000_003 + item) for item in items.tolist())
        return [augment(*given) for given in zip(rows, items.tolist(), generators, strict=True)]

    def _encode_group(self, rows: list[Tensor]) -> Float[Tensor, "group dim"]:
        if self.training_plan.gradient_checkpointing and torch.is_grad_enabled():
            vectors: Tensor = checkpoint(self.network, rows, use_reentrant=False)
            return vectors
        encoded: Tensor = self.network(rows)
        return encoded


def _is_distributed() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def _frozen_names(encoder: TunedEncoder) -> set[str]:
    """Names of parameters and buffers of the network that are not trained."""
    network = encoder.network
    return {f"network.{name}" for name in network.state_dict()} - {f"network.{name}" for name in network.trained()}


def _without_frozen(module: nn.Module, state: dict[str, Any], prefix: str, _: Any) -> None:
    """Remove what is not trained from a `state_dict`."""
    for name in _frozen_names(module):  # type: ignore[arg-type]  # registered on this class alone
        state.pop(prefix + name, None)


def _with_frozen(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Complete a `state_dict` that is loaded by what is not trained."""
    network: Any = module.network
    own = network.state_dict()
    for name in _frozen_names(module):  # type: ignore[arg-type]
        state.setdefault(prefix + name, own[name.removeprefix("network.")])
