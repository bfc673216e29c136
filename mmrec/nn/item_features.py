"""Frozen item features as a module: moved with the model, but not part of its checkpoints."""

from collections.abc import Callable, Iterator, Mapping

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from mmrec.nn.look_up import look_up
from mmrec.types import Features


class ItemFeatures(nn.Module):
    """The features of all modalities that at least one item has.

    Args:
        features: by modality.
        needed_by: the module that requires features, for the message.

    Raises:
        ValueError: no item has any features.
    """

    def __init__(self, features: Mapping[str, Features], needed_by: str) -> None:
        super().__init__()
        known = {name: found for name, found in features.items() if found.present.any()}
        if not known:
            raise ValueError(
                f"{needed_by} needs items with text, pictures or other features, and the data have none (or `evidence` hides them)"
            )
        self.names = tuple(known)
        self.dims = {name: found.values.shape[1] for name, found in known.items()}
        for name, found in known.items():
            self.register_buffer(f"values_{name}", found.values.float(), persistent=False)
            self.register_buffer(f"present_{name}", found.present, persistent=False)

    def values(self, name: str) -> Float[Tensor, "n_items dim"]:
        """The features of a modality; undefined where `present` is False."""
        values: Tensor = getattr(self, f"values_{name}")
        return values

    def present(self, name: str) -> Bool[Tensor, " n_items"]:
        """Whether each item has the modality."""
        present: Tensor = getattr(self, f"present_{name}")
        return present

    def items(self) -> Iterator[tuple[str, Float[Tensor, "n_items dim"], Bool[Tensor, " n_items"]]]:
        """Iterate over the name, values and presence of every modality."""
        for name in self.names:
            yield name, self.values(name), self.present(name)

    def project(
        self, name: str, projection: Callable[[Tensor], Tensor], *item_idx: Int64[Tensor, "..."]
    ) -> list[Float[Tensor, "... width"]]:
        """Project the features of the items in each of `item_idx`, via the whole catalogue if that is less work."""
        values = self.values(name)
        if len(values) < sum(idx.numel() for idx in item_idx):
            projected = projection(values)
            return [look_up(projected, idx) for idx in item_idx]
        return [projection(look_up(values, idx)) for idx in item_idx]


def centre_and_scale(values: Float[Tensor, "n dim"], present: Bool[Tensor, " n"]) -> tuple[Float[Tensor, " dim"], Float[Tensor, ""]]:
    """The mean of each column, and the root of the mean variance of all columns, over items that have the modality.

    Without any such item, 0 and 1.
    """
    known = values[present]
    if not len(known):
        return values.new_zeros(values.shape[1]), values.new_ones(())
    centre = known.mean(dim=0)
    return centre, (known - centre).pow(2).mean().sqrt().clamp(min=1e-12)


def standardize(values: Float[Tensor, "n dim"], present: Bool[Tensor, " n"]) -> Float[Tensor, "n dim"]:
    """Centre columns, and scale all of them equally to unit variance on average, over items with the modality; absent rows are zero."""
    if not present.any():
        return values
    centre, scale = centre_and_scale(values, present)
    return torch.where(present[:, None], (values - centre) / scale, 0.0)
