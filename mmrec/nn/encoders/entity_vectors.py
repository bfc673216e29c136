"""Initial vectors of the entities of a graph: random or pretrained and loaded by name, plus a projection of their literals."""

import json
import logging
from pathlib import Path

import safetensors.torch
import torch
from jaxtyping import Float, Int64
from safetensors import SafetensorError
from torch import Tensor, nn

from mmrec.errors import ConfigError, MissingFile
from mmrec.files.storage import write_tensors
from mmrec.types import Graph, Literals

_VECTORS, _NAMES = "vectors", "names"
_log = logging.getLogger(__name__)


def entity_table(graph: Graph, embedding_dim: int, pretrained: str | None) -> nn.Parameter:
    """The trainable initial vectors of entities, (n_entities, embedding_dim): from the file `pretrained` by name, or else random.

    Pretrained vectors are scaled to the mean square of the random ones. The number of entities in the file is logged.

    Raises:
        MissingFile: the file does not exist.
        ConfigError: it contains no entity vectors, or vectors of another size.
    """
    table = xavier(graph.n_entities, embedding_dim)
    if pretrained is None:
        return table
    vectors, names = read_entity_vectors(Path(pretrained))
    if vectors.shape[1] != embedding_dim:
        raise ConfigError(
            f"kg_encoder.pretrained: expected vectors of {embedding_dim} numbers, {pretrained} has {vectors.shape[1]}; "
            f"pretrain with embedding_dim={embedding_dim}"
        )
    rows = {name: row for row, name in enumerate(names)}
    found = [(entity, rows[name]) for entity, name in enumerate(graph.entities) if name in rows]
    _log.info(f"kg_encoder.pretrained: {len(found):,} of {graph.n_entities:,} entities have vectors in {pretrained}; others are random")
    if found:
        entity, row = torch.tensor(found).unbind(1)
        scale = table.detach().square().mean().sqrt() / vectors.square().mean().sqrt().clamp(min=1e-12)
        with torch.no_grad():
            table[entity] = vectors[row] * scale
    return table


class LiteralVectors(nn.Module):
    """Adds a learned projection of the literals, `[values, present]`, to the vectors of entities; initially zero."""

    entity_idx: Int64[Tensor, " n"]
    inputs: Float[Tensor, "n width"]

    def __init__(self, literals: Literals, embedding_dim: int) -> None:
        super().__init__()
        self.register_buffer("entity_idx", literals.entity_idx, persistent=False)
        self.register_buffer("inputs", torch.cat([literals.values, literals.present], dim=1).float(), persistent=False)
        self.projection = nn.Linear(self.inputs.shape[1], embedding_dim, bias=False)
        nn.init.zeros_(self.projection.weight)

    def forward(self, entities: Float[Tensor, "n_entities dim"]) -> Float[Tensor, "n_entities dim"]:
        """The sums."""
        return entities.index_add(0, self.entity_idx, self.projection(self.inputs).to(entities.dtype))


def literal_vectors(graph: Graph, embedding_dim: int) -> nn.Module:
    """The module that adds literals to the vectors of entities; the identity if the graph has none."""
    return nn.Identity() if graph.literals is None else LiteralVectors(graph.literals, embedding_dim)


def write_entity_vectors(path: Path, vectors: Float[Tensor, "n dim"], names: tuple[str, ...]) -> None:
    """Write entity vectors as safetensors: `vectors`, and `names` as the bytes of a JSON list."""
    encoded = torch.frombuffer(bytearray(json.dumps(names).encode()), dtype=torch.uint8)
    write_tensors(path, {_VECTORS: vectors.contiguous(), _NAMES: encoded})


def read_entity_vectors(path: Path) -> tuple[Float[Tensor, "n dim"], list[str]]:
    """Read the file that `write_entity_vectors` wrote. Raises MissingFile, ConfigError."""
    if not path.is_file():
        raise MissingFile(f"kg_encoder.pretrained: expected a file, there is none at {path}; `mmrec pretrain pretrain=kg` makes one")
    try:
        tensors = safetensors.torch.load_file(path)
        vectors, names = tensors[_VECTORS].float(), json.loads(tensors[_NAMES].numpy().tobytes())
        is_sound = vectors.ndim == 2 and isinstance(names, list) and len(names) == len(vectors) and bool(vectors.isfinite().all())
    except (SafetensorError, KeyError, TypeError, ValueError):
        is_sound = False
    if not is_sound:
        raise ConfigError(f"kg_encoder.pretrained: {path} has no entity vectors; `mmrec pretrain pretrain=kg` makes such a file")
    return vectors, names


def xavier(n_rows: int, dim: int) -> nn.Parameter:
    """A trainable table initialised as in Glorot and Bengio (2010)."""
    return nn.Parameter(nn.init.xavier_normal_(torch.empty(n_rows, dim)))
