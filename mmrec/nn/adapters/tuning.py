"""How a pretrained encoder is trained with the recommender: the method, and the treatment of its weights during training."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from mmrec.errors import ConfigError, nearest

NONE, LAST_N, FULL, LORA, ADALORA, ADAPTERS, PREFIX = "none", "last_n", "full", "lora", "adalora", "adapters", "prefix"
METHODS = (NONE, LAST_N, FULL, LORA, ADALORA, ADAPTERS, PREFIX)
_LR_OF_ADDED, _LR_OF_OWN = 1e-3, 5e-5
"""The default learning rates of weights that are added to an encoder, and of its own."""


@dataclass(frozen=True)
class Tuning:
    """A method to train a pretrained text or image encoder, and its size.

    Args:
        method: `last_n`: the weights of the top layers. `full`: all weights. `lora` (Hu et al. 2022) and `adalora` (Zhang et al. 2023):
            low-rank updates of linear maps. `adapters`: bottleneck adapters after both sublayers of a layer (Houlsby et al. 2019).
            `prefix`: vectors in front of the tokens in every tuned layer (Li & Liang 2021).
        n_layers: how many of the top layers are tuned; None: all. Ignored by `full`.
        rank: of `lora`; the average final rank of `adalora`.
        alpha: the numerator of the scale of a low-rank update.
        modules: the maps that get an update or adapter, by the last part of their names. None: queries and values for `lora` and `adalora`,
            the outputs of both sublayers for `adapters`; in image encoders, see `mmrec.nn.adapters.adapt_pictures`.
        width: the inner dimension of `adapters`.
        n_tokens: the number of vectors of `prefix` in each layer.
        of: the modality that messages name, `text` or `image`.

    Raises:
        ConfigError: an argument is invalid.
    """

    method: str
    n_layers: int | None = 2
    rank: int = 8
    alpha: float = 16.0
    modules: Sequence[str] | None = None
    width: int = 32
    n_tokens: int = 8
    of: str = field(default="text", repr=False)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(f"{self.key}: `{self.method}` is no way to tune an encoder; {nearest(self.method, METHODS)}")
        sizes = {"n_layers": self.n_layers, "rank": self.rank, "width": self.width, "n_tokens": self.n_tokens}
        for name, value in sizes.items():
            if value is not None and value < 1:
                raise ConfigError(f"tune.{name}: expected at least 1, found {value}")
        if self.alpha <= 0:
            raise ConfigError(f"tune.alpha: expected more than 0, found {self.alpha}")
        if self.modules is not None and self.method not in (LORA, ADALORA, ADAPTERS):
            key = "tune.modules" if self.of == "text" else f"tune.{self.of}_modules"
            raise ConfigError(f"{key}: only lora, adalora and adapters change single modules, not `{self.method}`; leave it null")

    @property
    def key(self) -> str:
        """The configuration key of the method."""
        return f"tune.{self.of}"

    @property
    def default_lr(self) -> float:
        """The learning rate without another setting: lower for an encoder's own weights than for added ones."""
        return _LR_OF_OWN if self.method in (LAST_N, FULL) else _LR_OF_ADDED


@dataclass(frozen=True)
class EncoderTraining:
    """The treatment of a tuned encoder during training.

    Args:
        max_items_per_step: the maximal number of items encoded in a step; others keep their last vectors. None: no limit.
        group_size: the number of items encoded at once; items are grouped by length.
        lr: the learning rate of the top layer. None: `Tuning.default_lr`.
        weight_decay: of all trained weights of the encoder.
        layer_decay: the factor of the learning rate from one layer to the one below.
        warmup_steps: optimizer steps over which the learning rate rises linearly, counted from the end of `frozen_epochs`.
        frozen_epochs: epochs at the start in which the encoder is not trained.
        gradient_checkpointing: whether activations are computed again in the backward pass, which saves memory and costs time.

    Raises:
        ConfigError: an argument is invalid.
    """

    max_items_per_step: int | None = 256
    group_size: int = 32
    lr: float | None = None
    weight_decay: float = 0.01
    layer_decay: float = 1.0
    warmup_steps: int = 0
    frozen_epochs: int = 0
    gradient_checkpointing: bool = False

    def __post_init__(self) -> None:
        least = {"max_items_per_step": 1, "group_size": 1, "lr": 0, "weight_decay": 0, "warmup_steps": 0, "frozen_epochs": 0}
        for name, bound in least.items():
            if (value := getattr(self, name)) is not None and value < bound:
                raise ConfigError(f"tune.{name}: expected at least {bound}, found {value}")
        if not 0 < self.layer_decay <= 1:
            raise ConfigError(f"tune.layer_decay: expected a factor above 0 and at most 1, found {self.layer_decay}")
