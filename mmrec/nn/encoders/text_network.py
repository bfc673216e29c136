"""The network of a text encoder: a transformers model with pooling, independent of where its weights come from."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.nn.encoders.pretrained import PretrainedEncoder

POOLINGS = ("mean", "cls", "last")
TokenIds = list[int] | Int64[Tensor, " _length"]


@dataclass(frozen=True)
class Pooling:
    """How the states of a text's tokens become one vector.

    Args:
        kind: `mean` over tokens without padding, `cls` for the first token, or `last` for the last one, as decoders need it, whose other
            tokens do not see the whole text.
        normalize: whether to scale vectors to unit length.
        dim: keep only the first numbers of each vector, before scaling (Kusupati et al. 2022, Matryoshka representations). None: all.
    """

    kind: str
    normalize: bool
    dim: int | None = None

    def __call__(self, states: Float[Tensor, "batch tokens dim"], mask: Int64[Tensor, "batch tokens"]) -> Float[Tensor, "batch _"]:
        """One vector per row of states, where `mask` is 1 at tokens and 0 at the padding that follows them."""
        if self.kind == "cls":
            pooled = states[:, 0]
        elif self.kind == "last":
            pooled = states[torch.arange(len(states), device=states.device), mask.sum(dim=1) - 1]
        else:
            pooled = mean_pool(states, mask)
        pooled = pooled[:, : self.dim]
        return torch.nn.functional.normalize(pooled, dim=1) if self.normalize else pooled


class TextNetwork(PretrainedEncoder):
    """A transformers model with pooling of its last hidden states: token ids to vectors.

    Args:
        model: takes `input_ids` and `attention_mask`.
        pool: one vector per row of states.
        pad_token_id: the padding of shorter rows.
    """

    def __init__(self, model: torch.nn.Module, pool: Pooling, pad_token_id: int) -> None:
        super().__init__()
        self.model, self.pool, self.pad_token_id = model, pool, pad_token_id

    def forward(self, prepared: Sequence[TokenIds]) -> Float[Tensor, "batch feature_dim"]:
        """One vector per row of token ids, on the device of the parameters."""
        return self.pool(*self.states(prepared))

    def states(self, prepared: Sequence[TokenIds]) -> tuple[Float[Tensor, "batch tokens dim"], Int64[Tensor, "batch tokens"]]:
        """The last hidden states of padded rows, and a mask that is 1 at their tokens."""
        device = next(self.parameters()).device
        rows = [torch.as_tensor(ids) for ids in prepared]
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=self.pad_token_id)
        lengths = torch.tensor([len(row) for row in rows])
        mask = (torch.arange(padded.shape[1]) < lengths[:, None]).long().to(device)
        return self.model(input_ids=padded.to(device), attention_mask=mask).last_hidden_state.float(), mask


def mean_pool(states: Float[Tensor, "batch tokens dim"], mask: Int64[Tensor, "batch tokens"]) -> Float[Tensor, "batch dim"]:
    """The mean of each row's states where `mask` is 1 (Reimers & Gurevych 2019)."""
    weights = mask.unsqueeze(2).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1)
