"""Contrastive training of a CLIP model on picture-text pairs."""

import math
from typing import Protocol, cast

import mmrec._torchvision  # noqa: F401  first: the imports below may reach torchvision

import torch
from jaxtyping import Float, Shaped, UInt8
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from mmrec.losses import contrastive_loss
from mmrec.nn.augment import augment_pictures

MAX_LOGIT_SCALE = 100.0
Batch = list[Tensor]
"""Pictures `UInt8 (batch, 3, size, size)`, and their texts in the form that the model's `encode_text` takes."""


class Clip(Protocol):
    """The interface of a CLIP model that the task uses."""

    logit_scale: Tensor

    def encode_image(self, pictures: Float[Tensor, "batch 3 size size"], normalize: bool = False) -> Float[Tensor, "batch dim"]:
        """The features of normalised pictures, scaled to unit length if `normalize`."""
        ...

    def encode_text(self, texts: Shaped[Tensor, "batch _"], normalize: bool = False) -> Float[Tensor, "batch dim"]:
        """The features of texts, scaled to unit length if `normalize`."""
        ...


class ContrastiveTask(LightningModule):
    """Minimises the symmetric InfoNCE loss of a CLIP model (Radford et al. 2021, figure 3) with augmented pictures.

    Uses AdamW with linear warm-up and cosine decay to zero, and logs `train/loss` once per epoch.

    Args:
        model: a `TinyClip` or a model of open_clip.
        mean: the normalisation of the pictures' channels, as in the encoder.
        std: likewise.
        learning_rate: the maximum.
        n_steps: the number of optimizer steps.
        seed: of the augmentation.
        weight_decay: for matrices only.
        warmup_share: the fraction of `n_steps` for the warm-up.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        model: torch.nn.Module,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        learning_rate: float,
        n_steps: int,
        seed: int,
        weight_decay: float = 0.1,
        warmup_share: float = 0.05,
    ) -> None:
        super().__init__()
        self.model = model
        self.learning_rate, self.n_steps, self.seed = learning_rate, n_steps, seed
        self.weight_decay, self.warmup_share = weight_decay, warmup_share
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    @property
    def clip(self) -> Clip:
        """The model, typed as a CLIP model."""
        return cast("Clip", self.model)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        matrices = [p for p in self.model.parameters() if p.requires_grad and p.ndim > 1]
        others = [p for p in self.model.parameters() if p.requires_grad and p.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": self.weight_decay}, {"params": others, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=self.learning_rate, betas=(0.9, 0.98))
        schedule = LambdaLR(optimizer, lambda step: warmup_cosine(step, self.n_steps, self.warmup_share))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def training_step(self, batch: Batch, batch_idx: int) -> Float[Tensor, ""]:
        pictures, texts = batch
        generator = torch.Generator().manual_seed((self.seed + 1) * 1_000_003 + self.global_step)
        image_features = self.encode_pictures(augment_pictures(pictures, generator))
        text_features = self.clip.encode_text(texts, normalize=True)
        loss = contrastive_loss(image_features, text_features, self.clip.logit_scale.exp().clamp(max=MAX_LOGIT_SCALE))
        self.log("train/loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(pictures))
        return loss

    def encode_pictures(self, pictures: Float[Tensor, "batch 3 size size"]) -> Float[Tensor, "batch dim"]:
        """Unit-length features of pictures with channels in [0, 1]."""
        return self.clip.encode_image((pictures - self.mean) / self.std, normalize=True)

    @torch.no_grad()
    def encode_pairs(
        self, pictures: UInt8[Tensor, "n 3 size size"], texts: Shaped[Tensor, "n _"], batch_size: int
    ) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "n dim"]]:
        """Unit-length features of unaugmented pictures and of texts, on the CPU; leaves the model in evaluation mode."""
        self.eval()
        pairs = [
            (self.encode_pictures(picture.to(self.device) / 255).cpu(), self.clip.encode_text(text.to(self.device), normalize=True).cpu())
            for picture, text in zip(pictures.split(batch_size), texts.split(batch_size), strict=True)
        ]
        return torch.cat([image for image, _ in pairs]), torch.cat([text for _, text in pairs])


def warmup_cosine(step: int, n_steps: int, warmup_share: float) -> float:
    """The factor of the learning rate: linear from 0 to 1 during the warm-up, then a half cosine to 0 at `n_steps`."""
    warmup = max(1, round(warmup_share * n_steps))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, n_steps - warmup))))
