"""A text encoder that is trained by one of the methods of `Tuning`, on token ids or on the states of its frozen lower layers.

`TrainedNetwork` is what it has in common with `mmrec.nn.encoders.tuned_pictures`.
"""

import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from mmrec.files.storage import write_folder, write_json, write_tensors
from mmrec.nn.adapters.adapt import adapt
from mmrec.nn.adapters.layers import Entrance
from mmrec.nn.adapters.low_rank import RankSchedule
from mmrec.nn.adapters.prefix import LayerPrefix
from mmrec.nn.adapters.tuning import ADALORA, LORA, Tuning
from mmrec.nn.encoders.text_network import TextNetwork


class TunedShare(NamedTuple):
    """What is trained of an encoder."""

    n_trained: int
    n_total: int
    """The weights of the original encoder."""
    names: tuple[str, ...]
    """The modules that contain trained weights, with a * for the index of their layer."""

    @property
    def share(self) -> float:
        """The number of trained weights relative to those of the original encoder."""
        return self.n_trained / self.n_total


class TrainedNetwork(nn.Module, ABC):
    """An encoder prepared for training: rows of inputs to vectors.

    Args:
        tuning: the method.
        model: the adapted model.
        n_total: the number of weights of the original model.
        first: the lowest layer whose output can change. None: any layer can.
    """

    def __init__(self, tuning: Tuning, model: nn.Module, n_total: int, first: int | None) -> None:
        super().__init__()
        self.tuning, self.model, self.n_total, self.first = tuning, model, n_total, first
        self.ranks = RankSchedule(model) if tuning.method == ADALORA else None

    @abstractmethod
    def forward(self, rows: Sequence[Shaped[Tensor, "_rows ..."]]) -> Float[Tensor, "batch feature_dim"]:
        """One vector per row."""

    @abstractmethod
    def depth_of(self, name: str) -> int:
        """The number of layers above a parameter: 0 in the top layer and after it, the number of layers before the first one."""

    def trained(self) -> dict[str, nn.Parameter]:
        """The trained parameters by name."""
        return {name: one for name, one in self.named_parameters() if one.requires_grad}

    def share(self) -> TunedShare:
        """What is trained, by name and share."""
        trained = self.trained()
        names = dict.fromkeys(_module_of(name) for name in trained)
        return TunedShare(sum(one.numel() for one in trained.values()), self.n_total, tuple(names))

    def save(self, folder: Path) -> None:
        """Write the adapter to a folder: in the format of peft for `lora` and `adalora`, which `PeftModel.from_pretrained` reads."""
        if self.tuning.method in (LORA, ADALORA):
            shutil.rmtree(folder, ignore_errors=True)  # of the same run, before it was resumed
            write_folder(folder, self._save_peft)
            return
        weights = {name: one.detach().cpu().contiguous() for name, one in self.trained().items()}
        write_tensors(folder / "adapter_model.safetensors", weights)
        write_json(folder / "tuning.json", {"method": self.tuning.method, "n_layers": self.tuning.n_layers, "first": self.first})

    def _save_peft(self, folder: Path) -> None:
        model: Any = self.model
        config = model.peft_config["default"]
        pattern = getattr(config, "rank_pattern", None)
        if self.ranks is not None:  # masked ranks stay as zeros: peft would scale updates of a reduced rank differently
            config.rank_pattern = None
        try:
            model.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)
        finally:
            if self.ranks is not None:
                config.rank_pattern = pattern
        (folder / "README.md").unlink(missing_ok=True)  # a form to be filled in


class TunedNetwork(TrainedNetwork):
    """A transformers model prepared for training, with pooling: rows of token ids or states to vectors.

    Frozen layers below the lowest tuned one are dropped, and rows are states at its input, computed once by
    `mmrec.nn.encoders.hidden_states`. With the method `full` there is no such layer, and rows are token ids. The model stays in evaluation
    mode, without dropout: vectors then depend neither on the grouping of items nor on the number of processes.

    Args:
        text: the pretrained network, which is modified.
        tuning: the method.

    Raises:
        ConfigError: the method does not fit the model.
        MissingExtra: the method needs peft, which is not installed.
    """

    def __init__(self, text: TextNetwork, tuning: Tuning) -> None:
        adapted = adapt(text.model, tuning)
        super().__init__(tuning, adapted.model, adapted.n_total, adapted.first)
        self.pool, self.pad_token_id, self.prefixes = text.pool, text.pad_token_id, adapted.prefixes
        self._layers, self._entrance = adapted.layers, Entrance()
        self.n_prefix = tuning.n_tokens if len(adapted.prefixes) else 0
        if adapted.first is not None:
            adapted.layers.drop_below(adapted.first)
            adapted.layers.stack[adapted.first].register_forward_pre_hook(self._entrance)
        for at, prefix in adapted.prefixes.items():
            adapted.layers.stack[int(at)].register_forward_pre_hook(cast("LayerPrefix", prefix).replace)

    def forward(self, rows: Sequence[Shaped[Tensor, "_tokens ..."]]) -> Float[Tensor, "batch feature_dim"]:
        """One vector per row: states `(tokens, dim)`, or token ids `(tokens,)` with the method `full`."""
        self.model.eval()
        device = next(self.parameters()).device
        lengths = torch.tensor([len(row) for row in rows])
        mask = (torch.arange(int(lengths.max())) < lengths[:, None]).long().to(device)
        padding = self.pad_token_id if self.first is None else 0.0
        padded = pad_sequence(list(rows), batch_first=True, padding_value=padding).to(device)
        return self.pool(self._run(padded, mask)[:, self.n_prefix :].float(), mask)

    def _run(self, padded: Shaped[Tensor, "batch tokens ..."], mask: Int64[Tensor, "batch tokens"]) -> Float[Tensor, "batch _ dim"]:
        """The last hidden states of prefix and tokens."""
        if self.first is None:
            last: Tensor = self.model(input_ids=padded, attention_mask=mask).last_hidden_state
            return last
        places = nn.functional.pad(mask, (self.n_prefix, 0), value=1)
        self._entrance.states = nn.functional.pad(padded, (0, 0, self.n_prefix, 0))
        try:  # the ids only give the shape: the entrance replaces what is made of them
            last = self.model(input_ids=torch.zeros_like(places), attention_mask=places).last_hidden_state
        finally:
            self._entrance.states = None
        return last

    def depth_of(self, name: str) -> int:
        if (prefix := re.match(r"prefixes\.(\d+)\.", name)) is not None:
            return len(self._layers) - 1 - int(prefix[1])
        if (index := self._layers.index_of(name)) is not None:
            return len(self._layers) - 1 - index
        return len(self._layers) if "embed" in name else 0


def _module_of(parameter: str) -> str:
    """The module of the original model that a trained parameter belongs to, with a * for the index of its layer."""
    name = parameter.removeprefix("model.").removeprefix("base_model.model.").partition(".lora_")[0]
    name = name if ".lora_" in parameter else name.rpartition(".")[0]
    return re.sub(r"(\.)\d+(?=\.|$)", r"\1*", name)
