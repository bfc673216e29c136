"""Training a recommender to rank: positives above sampled negatives, selected by full-catalogue ranking on the validation part."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from mmrec.data.sample import EvaluationSet, TrainBatch
from mmrec.errors import ConfigError
from mmrec.metrics.full_ranking import rank_and_evaluate
from mmrec.model import FusionRecommender, score_batch
from mmrec.nn.link_prediction import link_prediction_loss, sample_triples
from mmrec.types import USER_IDX, Graph

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
COLD_LIFTS = (0.0, 0.5, 1.0, 2.0, 4.0)
_N_TRIPLES, _N_CORRUPTED = 2048, 16


class RankingTask(LightningModule):
    """Minimises a loss of `mmrec.losses` plus, where `kg_loss_weight` is positive, that times the link-prediction loss of
    2,048 triples a step. Embedding tables learn at `embedding_lr` without weight decay, all else at the optimizer's own rate: on small
    catalogues the networks would otherwise learn the training rows by heart before the tables have settled.

    Logs `train/loss` once an epoch and `val/<metric>@<k>` after each: per user first, then the mean over all users of all processes, in the
    same order whatever their number. Where validation has items without training interactions, it also chooses the model's `cold_lift`, by
    ndcg at the largest k.
    """

    def __init__(
        self,
        model: FusionRecommender,
        graph: Graph | None,
        loss: Loss,
        optimizer: Callable[..., torch.optim.Optimizer],
        embedding_lr: float,
        kg_loss_weight: float,
        ks: list[int],
        seed: int,
    ) -> None:
        super().__init__()
        if embedding_lr < 0:
            raise ValueError(f"embedding_lr: expected at least 0, came {embedding_lr}")
        self.model, self.graph, self.loss, self.optimizer = model, graph, loss, optimizer
        self.embedding_lr, self.kg_loss_weight, self.ks, self.seed = embedding_lr, kg_loss_weight, ks, seed
        self._losses: Tensor | float = 0.0  # of this process since the epoch began; no buffer, those are one process's in all
        self._n_losses = 0

    def configure_optimizers(self) -> torch.optim.Optimizer:
        tables = [module.weight for module in self.modules() if isinstance(module, nn.Embedding)]
        rest = [parameter for parameter in self.parameters() if all(parameter is not table for table in tables)]
        return self.optimizer(params=[{"params": tables, "lr": self.embedding_lr, "weight_decay": 0.0}, {"params": rest}])

    def training_step(self, batch: TrainBatch, batch_idx: int) -> Float[Tensor, ""]:
        step_seed = (self.seed + 1) * 1_000_003 + self.trainer.fit_loop.epoch_loop.total_batch_idx
        torch.manual_seed(step_seed)  # dropout too is a function of (seed, step): alike in every process, and after a resume
        generator = torch.Generator().manual_seed(step_seed)
        encoded = self.model.encode(self.model.draw_visible(generator))
        positive, negative = score_batch(encoded, batch, self.model.history_dropout)
        loss = self.loss(positive, batch.row, negative, batch.valid)
        loss = loss * batch.weight
        self._losses, self._n_losses = self._losses + loss.detach(), self._n_losses + 1
        if self.kg_loss_weight and self.model.kg_encoder is not None:
            loss = loss + self.kg_loss_weight * self._link_prediction(generator)
        return loss

    def on_train_epoch_end(self) -> None:
        self.log("train/loss", torch.as_tensor(self._losses / self._n_losses), prog_bar=True, sync_dist=True)
        self._losses, self._n_losses = 0.0, 0

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The losses of the epoch so far, process by process."""
        sums = self._losses_of_all if self.trainer.validating else self._gather_losses()
        checkpoint["epoch_loss"] = {"sums": sums, "n": self._n_losses}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        sums, self._n_losses = checkpoint["epoch_loss"]["sums"], checkpoint["epoch_loss"]["n"]
        is_as_before = len(sums) == self.trainer.world_size
        self._losses = (sums[self.trainer.global_rank] if is_as_before else sums.mean()).to(self.trainer.strategy.root_device)

    def on_validation_start(self) -> None:
        self._losses_of_all = self._gather_losses()  # now: while they validate, the processes don't meet

    def _gather_losses(self) -> Float[Tensor, " processes"]:
        return gather_rows(torch.as_tensor(self._losses, device=self.device, dtype=torch.float32).reshape(1, 1)).flatten()

    def validation_step(self, batch: EvaluationSet, batch_idx: int) -> None:
        lifts = COLD_LIFTS if (batch.positives.item_degree[~self.model.known_items] > 0).any() else (0.0,)
        scorer = self.model.freeze(cold_lift=1.0)
        if not all(vectors.isfinite().all() for vectors in scorer[:2]):
            raise ConfigError(
                f"training diverged in epoch {self.current_epoch}: lower optimizer.lr, or task.embedding_lr, now {self.embedding_lr}"
            )
        self._per_user = {lift: rank_and_evaluate(scorer.lifted(lift), batch, self.ks).drop(USER_IDX) for lift in lifts}

    def on_validation_epoch_end(self) -> None:
        means = {}
        for lift, frame in self._per_user.items():
            values = gather_rows(torch.from_numpy(frame.to_numpy(writable=True)).to(self.device))
            means[lift] = dict(zip(frame.columns, values.mean(dim=0).tolist(), strict=True))
        best = max(means, key=lambda lift: (means[lift][f"ndcg@{max(self.ks)}"], -lift))
        self.model.cold_lift.fill_(best)
        for name, value in means[best].items():
            self.log(f"val/{name}", value, prog_bar=name.startswith("ndcg"), rank_zero_only=False)

    def _link_prediction(self, generator: torch.Generator) -> Float[Tensor, ""]:
        triples, negatives = sample_triples(self.graph, _N_TRIPLES, _N_CORRUPTED, generator)
        encoder = self.model.kg_encoder
        return link_prediction_loss(encoder(), encoder.relation_embeddings, triples.to(self.device), negatives.to(self.device))


def gather_rows(rows: Float[Tensor, "n columns"]) -> Float[Tensor, "total columns"]:
    """The rows of all processes in the order of their ranks, uneven numbers and none included; the rows themselves in a single process."""
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return rows
    world = torch.distributed.get_world_size()
    counts = [torch.zeros(1, dtype=torch.int64, device=rows.device) for _ in range(world)]
    torch.distributed.all_gather(counts, torch.tensor([len(rows)], device=rows.device))
    padded = rows.new_zeros((int(max(counts)), rows.shape[1]))
    padded[: len(rows)] = rows
    parts = [torch.empty_like(padded) for _ in range(world)]
    torch.distributed.all_gather(parts, padded)
    return torch.cat([part[: int(count)] for part, count in zip(parts, counts, strict=True)])
