"""The inputs of tuned layers: token ids, or the states of the frozen layers below, which are computed once and kept on disk."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Int64, Shaped
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mmrec.data.features.item_inputs import Ragged, TextInputs
from mmrec.errors import printable
from mmrec.files.storage import sha256_tensors, sha256_text, write_tensors
from mmrec.nn.adapters.layers import Layers, states_before
from mmrec.nn.encoders.text_network import TextNetwork

_BATCH = 64


@dataclass(frozen=True)
class TokenRows:
    """One row of token ids, or of states per token, for every text, and the row of every item."""

    values: Shaped[Tensor, "tokens ..."]
    starts: Int64[Tensor, " n_rows_and_one"]
    row_of: Int64[Tensor, " n_items"]
    present: Bool[Tensor, " n_items"]
    """Whether each item has a text."""
    fingerprint: str
    """The SHA-256 of the token ids and of their order."""

    @classmethod
    def of(cls, tokens: Ragged, row_of: Int64[Tensor, " n_items"], present: Bool[Tensor, " n_items"]) -> "TokenRows":
        """The token ids of items."""
        found = {"ids": tokens.values, "starts": tokens.starts, "row_of": row_of, "present": present}
        return cls(tokens.values, tokens.starts, row_of, present, sha256_tensors(found))

    @classmethod
    def joined(cls, parts: Sequence[TextInputs]) -> "TokenRows":
        """The token ids of items, and of further texts after them."""
        tables, offsets = [part.table for part in parts], [0]
        starts, row_of = [tables[0].starts[:1]], list[Tensor]()
        for part, table in zip(parts, tables, strict=True):
            starts.append(starts[-1][-1] + table.starts[1:])
            row_of.append(offsets[-1] + (torch.arange(len(part.present)) if part.order is None else part.order))
            offsets.append(offsets[-1] + len(table.starts) - 1)
        tokens = Ragged(torch.cat([table.values for table in tables]), torch.cat(starts))
        return cls.of(tokens, torch.cat(row_of), torch.cat([part.present for part in parts]))

    def lengths(self, item_idx: Int64[Tensor, " n"]) -> Int64[Tensor, " n"]:
        """The number of tokens of items."""
        return self.starts.diff()[self.row_of[item_idx]]

    def take(self, item_idx: Int64[Tensor, " n"]) -> list[Tensor]:
        """The rows of items."""
        rows = self.row_of[item_idx]
        return [self.values[start:end] for start, end in zip(self.starts[rows].tolist(), self.starts[rows + 1].tolist(), strict=True)]

    def through(self, network: Callable[[], TextNetwork], encoder: str, first: int, cache: Path | None) -> "TokenRows":
        """Replace token ids by the states at the input of layer `first`, from the cache or newly computed.

        Args:
            network: gives the frozen network; called only if states are computed.
            encoder: the fingerprint of the encoder.
            first: the index of a layer.
            cache: the folder of all caches. None: nothing is read or written.
        """
        tokens = sha256_tensors({"ids": self.values, "starts": self.starts})
        path = cache and cache / "hidden_states" / f"{sha256_text('states', encoder, str(first), tokens)}.safetensors"
        states = None if path is None else _read(path, len(self.values))
        if states is None:
            states = self._states(network(), first)
            if path is not None:
                write_tensors(path, {"states": states})
                states = load_file(path)["states"]  # mapped from the disk, so that processes share the memory
        return TokenRows(states, self.starts, self.row_of, self.present, self.fingerprint)

    def _states(self, text: TextNetwork, first: int) -> Tensor:
        layer = Layers(text.model).stack[first]
        device = next(text.parameters()).device
        lengths = self.starts.diff()
        order = lengths.argsort(stable=True)
        order = order[lengths[order] > 0]
        states: Tensor | None = None
        for rows in order.split(_BATCH):
            taken = [self.values[self.starts[row] : self.starts[row + 1]] for row in rows.tolist()]
            padded = torch.nn.utils.rnn.pad_sequence(taken, batch_first=True, padding_value=text.pad_token_id)
            mask = (torch.arange(padded.shape[1]) < lengths[rows][:, None]).long()
            found = states_before(text.model, layer, input_ids=padded.to(device), attention_mask=mask.to(device)).float().cpu()
            if states is None:
                states = torch.zeros(len(self.values), found.shape[2])
            for row, one in zip(rows.tolist(), found, strict=True):
                start, end = self.starts[row : row + 2].tolist()
                states[start:end] = one[: end - start]
        return torch.zeros(0, 0) if states is None else states


def _read(path: Path, n_tokens: int) -> Tensor | None:
    """The states in a file; None if there is none, or, with a warning, if it is damaged."""
    if not path.is_file():
        return None
    try:
        states = load_file(path)["states"]
        if len(states) != n_tokens:
            raise ValueError(f"expected {n_tokens} tokens, found {len(states)}")
        return states
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        warnings.warn(printable(f"{path}: damaged hidden states dropped ({error}); they are computed again"), stacklevel=3)
        return None
