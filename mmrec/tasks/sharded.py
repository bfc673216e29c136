"""Embedding tables whose rows are divided among processes: for catalogues beyond the memory of one."""

from pathlib import Path
from typing import Any, cast

from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Replicate
from torch.distributed.tensor.parallel import RowwiseParallel, parallelize_module

from mmrec.errors import ConfigError
from mmrec.models.recommender import LookupRecommender, Recommender
from mmrec.tasks.internals import SpawnedModelParallelStrategy


class ShardedTablesStrategy(SpawnedModelParallelStrategy):
    """Lightning's model parallelism over all processes of this machine, which it spawns itself, as `ddp_spawn` does.

    Each holds its part of the rows of every table, of their gradients and of the optimizer's state; all see the same batches, look up what
    they have of them and add up what they found, which is of the size of the batch. Checkpoints are of whole tables, as from one process.
    """

    def __init__(self) -> None:
        super().__init__(save_distributed_checkpoint=False)

    def save_checkpoint(self, checkpoint: dict[str, Any], filepath: str | Path, storage_options: Any | None = None) -> None:
        """The first process has the whole tables, and writes them; unlike Lightning's, a folder may take the place of one of its name."""
        if self.is_global_zero:
            self.checkpoint_io.save_checkpoint(checkpoint, filepath, storage_options)


def shard_tables(model: Recommender, mesh: DeviceMesh) -> None:
    """Divides the rows of all embedding tables among the processes of a mesh of one dimension, in place: DTensors, `Shard(0)`.

    Raises ConfigError for a model that needs its whole tables in every step, and for sparse gradients, which DTensors have none of.
    """
    if not isinstance(model, LookupRecommender):
        raise ConfigError(
            f"trainer: {type(model).__name__} needs its whole embedding tables in every step, so their rows cannot be divided among "
            "processes; use trainer=ddp, or model=matrix_factorization"
        )
    tables = {name: module for name, module in model.named_modules() if isinstance(module, nn.Embedding)}
    if any(table.sparse for table in tables.values()):
        raise ConfigError(
            "model.sparse_gradients: divided tables have dense gradients; set it to false, and optimizer._target_=torch.optim.Adam"
        )
    parallelize_module(model, mesh, {name: RowwiseParallel(input_layouts=Replicate()) for name in tables})


def gather_tables(model: Recommender) -> None:
    """Gives every process all rows of the tables that are divided, as plain parameters; to be called by all of them, after training."""
    for module in model.modules():
        if isinstance(module, nn.Embedding) and isinstance(module.weight, DTensor):
            module.weight = nn.Parameter(cast("DTensor", module.weight.detach()).full_tensor())
