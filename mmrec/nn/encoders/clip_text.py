"""Frozen text encoders of CLIP models, through open_clip: their vectors share one space with those of the pictures."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import mmrec._torchvision  # noqa: F401  first: the imports below may reach torchvision

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.errors import ConfigError
from mmrec.files.storage import sha256_text
from mmrec.nn.encoders.clip import TINY_CLIP, ClipWeights, build_clip, clip_config, import_open_clip
from mmrec.types import default_device

_KEY = "encoders.text"


class ClipTextEncoder:
    """A `FeatureEncoder` of texts: the text encoder of a CLIP model (Radford et al. 2021), with unit-length float32 output.

    With the weights of the image encoder, a text and the picture that it describes are close. Longer texts are truncated to the tokens that
    the model takes, mostly 77.

    Args:
        architecture: a name of open_clip, other than those with a text model of the Hugging Face hub.
        pretrained: a tag of open_clip for the architecture; or the path of a safetensors file; or None for random weights.
        revision: the full commit hash on the Hugging Face hub, required with a tag.

    Raises:
        ConfigError: an argument is invalid.
        MissingFile: the path does not exist.
        DownloadError: the weights cannot be downloaded.
        MissingExtra: open_clip is not installed.
    """

    def __init__(self, architecture: str, pretrained: str | None, revision: str | None) -> None:
        if architecture == TINY_CLIP:
            raise ConfigError(f"{_KEY}.architecture: tiny_clip has no text encoder of its own; name an architecture of open_clip")
        config = clip_config(architecture, _KEY)
        if {"hf_model_name", "hf_tokenizer_name"} & config["text_cfg"].keys() or "siglip" in architecture.lower():
            raise ConfigError(
                f"{_KEY}.architecture: the texts of {architecture} need a model or tokenizer of the Hugging Face hub; name another "
                "architecture, or take such a model as text_encoder=bert_base with its path_or_name"
            )
        self.architecture, self.weights = architecture, ClipWeights(architecture, pretrained, revision, _KEY)
        self.feature_dim: int = config["embed_dim"]
        self.max_length: int = config["text_cfg"].get("context_length", 77)
        self.name = f"{self.weights.name}, texts"
        self._tokenize: Any = import_open_clip().get_tokenizer(architecture)

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of the weights (for a hub model, of its commit hash, which pins them) and the configuration."""
        settings = repr((clip_config(self.architecture), self.max_length, "unit float32"))
        return sha256_text("clip text", self.architecture, self.weights.hash, settings)

    @cached_property
    def frozen(self) -> torch.nn.Module:
        """The CLIP without its image encoder on `default_device()`, in evaluation mode and without gradients."""
        model = build_clip(self.architecture, self.weights.file(), key=_KEY)
        model.visual = torch.nn.Identity()
        return model.to(default_device()).eval().requires_grad_(False)

    def prepare(self, raw: bytes) -> list[int]:
        """The token ids of a UTF-8 text, without padding. Raises ValueError for invalid bytes and blank texts."""
        text = raw.decode("utf-8")
        if not text.strip():
            raise ValueError("the text is blank")
        ids: list[int] = self._tokenize([text], context_length=self.max_length)[0].tolist()
        end = int(torch.tensor(ids).argmax())  # the token of the end has the highest id, and the padding is 0
        return ids[: end + 1]

    def length(self, prepared: list[int]) -> int:
        return len(prepared)

    @torch.inference_mode()
    def encode(self, prepared: Sequence[list[int] | Int64[Tensor, " _length"]]) -> Float[Tensor, "batch feature_dim"]:
        """One vector per list of token ids."""
        padded = torch.zeros(len(prepared), self.max_length, dtype=torch.int64)
        for row, ids in enumerate(prepared):
            padded[row, : len(ids)] = torch.as_tensor(ids)
        model: Any = self.frozen
        vectors: Tensor = model.encode_text(padded.to(default_device()), normalize=True)
        return vectors.float().cpu()
