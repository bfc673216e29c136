"""Item content as feature rows whose inner products are cosines: vectors, graph neighbours and words together."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Bool
from scipy.sparse import csr_matrix, diags
from torch import Tensor

from mmrec.models.fold_in import occurring
from mmrec.models.recommender import LackingData
from mmrec.types import KG, DatasetSpec, Features, Graph, Words

WORDS = "words"
_ROWS = 1024
Block: TypeAlias = np.ndarray | csr_matrix


class _Columns(NamedTuple):
    """A block, and the column of the source that each of its columns is."""

    block: Block
    columns: np.ndarray


@dataclass(frozen=True)
class Content:
    """The features of all items in one block of columns per source: dense for vectors, sparse for words and graph neighbours.

    Each item has unit length in every block that it is part of, and unit length in total; items without content are zero.
    """

    blocks: dict[str, Block]
    """By source, `(n_items, width)`, float32."""
    known: Bool[Tensor, " n_items"]
    """The items with training interactions. Means, standard deviations and document frequencies are computed on them alone."""
    present: Bool[Tensor, " n_items"]
    """The items with any content."""
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    """By source, the column of the source, such as a word or an entity, that each column of the block is."""

    @property
    def dim(self) -> int:
        """The number of columns in all blocks."""
        return sum(block.shape[1] for block in self.blocks.values())

    def kernel(self, rows: Bool[Tensor, " n_items"]) -> np.ndarray:
        """The cosines of the given items with all items, `(n_rows, n_items)`, float32; 1,024 rows are multiplied at a time."""
        idx = rows.nonzero().flatten().numpy()
        out = np.zeros((len(idx), len(rows)), dtype=np.float32)
        for block in self.blocks.values():
            for start in range(0, len(idx), _ROWS):
                product = block[idx[start : start + _ROWS]] @ block.T
                out[start : start + _ROWS] += product if isinstance(product, np.ndarray) else product.toarray()
        return out

    def dense(self) -> np.ndarray:
        """All blocks concatenated, `(n_items, dim)`."""
        return np.hstack([block if isinstance(block, np.ndarray) else block.toarray() for block in self.blocks.values()])


def sources_of(spec: DatasetSpec) -> list[str]:
    """The sources of content of training items: modalities with vectors, `kg` and `words`."""
    return list(_blocks(spec, None, occurring(spec.train.item_idx, spec.n_items)))


def read_content(spec: DatasetSpec, sources: Sequence[str] | None = None) -> Content:
    """Read the features of the given sources, in order, or of all that the data have.

    Vectors are standardised by column. Words and graph neighbours are binary, weighted by inverse document frequency `ln(1 + n / df)`
    (Salton & Buckley 1988). Raises LackingData if no training item has any of the sources.
    """
    known = occurring(spec.train.item_idx, spec.n_items)
    found = _blocks(spec, sources, known)
    blocks = {name: one.block for name, one in found.items()}
    if not blocks:
        raise LackingData(f"the data have no {' or '.join(sources) if sources else 'content'} of training items")
    has = {name: _lengths(block) > 0 for name, block in blocks.items()}
    n_shown = sum(shown.astype(np.float32) for shown in has.values())
    scale = np.where(n_shown > 0, 1 / np.sqrt(np.maximum(n_shown, 1)), 0.0).astype(np.float32)
    columns = {name: one.columns for name, one in found.items()}
    return Content({name: _scaled(block, scale) for name, block in blocks.items()}, known, torch.from_numpy(n_shown > 0), columns)


def _blocks(spec: DatasetSpec, sources: Sequence[str] | None, known: Bool[Tensor, " n_items"]) -> dict[str, _Columns]:
    """The blocks of the sources that any training item has, with rows of length 1 or 0."""
    found: dict[str, _Columns] = {}
    for name in [*spec.features, KG, WORDS] if sources is None else sources:
        if name == KG:
            block = None if spec.graph is None else _inverse_frequency(_neighbours(spec.graph), known)
        elif name == WORDS:
            block = None if spec.words is None else _inverse_frequency(_word_matrix(spec.words), known)
        else:
            features = spec.features.get(name)
            block = None if features is None else _standardized(features, known)
        if block is not None and (_lengths(block.block)[known.numpy()] > 0).any():
            found[name] = block._replace(block=_scaled(block.block, _inverse(_lengths(block.block))))
    return found


def _standardized(features: Features, known: Bool[Tensor, " n_items"]) -> _Columns | None:
    """Standardise columns by mean and standard deviation over training items; constant columns and absent rows are zero."""
    shown = features.values[features.present & known]
    if not len(shown):
        return None
    mean, deviation = shown.mean(dim=0), shown.std(dim=0, correction=0)
    values = (features.values - mean) / torch.where(deviation > 1e-6 * mean.abs(), deviation, torch.inf)
    return _Columns(torch.where(features.present[:, None], values, 0.0).float().numpy(), np.arange(values.shape[1]))


def _neighbours(graph: Graph) -> csr_matrix:
    """The entities related to each item's own entity, in either direction, that at least two items share.

    An entity related to a single item only, such as a role in a film, carries no information itself and is replaced by its own neighbours.
    """
    ends = torch.cat([graph.edge_index, graph.edge_index.flip(0)], dim=1).numpy()
    ones = np.ones(ends.shape[1], dtype=np.float32)
    entities = csr_matrix((ones, (ends[0], ends[1])), shape=(graph.n_entities, graph.n_entities))
    inside = (graph.item_entity >= 0).numpy().astype(np.float32)
    near = diags(inside) @ entities[graph.item_entity.clamp(min=0).numpy()]
    is_private = (_n_items_of(near) == 1).astype(np.float32)
    reached = near + (near @ diags(is_private)) @ entities
    return reached @ diags((_n_items_of(reached) > 1).astype(np.float32))


def reached_entities(spec: DatasetSpec, n_hops: int = 2) -> csr_matrix:
    """The entities within some hops of each item's own entity that are no items, weighted as graph neighbours, in rows of length 1 or 0.

    Raises LackingData without a graph, or if no training item reaches any.
    """
    known, graph = occurring(spec.train.item_idx, spec.n_items), spec.graph
    if graph is None:
        raise LackingData("the data have no graph")
    ends = torch.cat([graph.edge_index, graph.edge_index.flip(0)], dim=1).numpy()
    ones = np.ones(ends.shape[1], dtype=np.float32)
    edges = csr_matrix((ones, (ends[0], ends[1])), shape=(graph.n_entities, graph.n_entities))
    is_open = np.ones(graph.n_entities, dtype=np.float32)
    is_open[graph.item_entity[graph.item_entity >= 0].numpy()] = 0.0
    edges = edges @ diags(is_open)  # paths do not lead through other items
    inside = (graph.item_entity >= 0).numpy().astype(np.float32)
    near = diags(inside) @ edges[graph.item_entity.clamp(min=0).numpy()]
    reached = near
    for _ in range(1, n_hops):
        near = near @ edges
        reached = reached + near
    block = _inverse_frequency(reached, known).block
    if not (_lengths(block)[known.numpy()] > 0).any():
        raise LackingData("no training item is related to an entity in the graph")
    return _scaled(block, _inverse(_lengths(block)))


def _n_items_of(matrix: csr_matrix) -> np.ndarray:
    """The number of rows with an entry in each column."""
    return np.asarray((matrix > 0).sum(axis=0)).ravel()


def _word_matrix(words: Words) -> csr_matrix:
    shape = (len(words.indptr) - 1, words.n_words)
    ones = np.ones(len(words.indices), dtype=np.float32)
    return csr_matrix((ones, words.indices.numpy(), words.indptr.numpy()), shape=shape)


def _inverse_frequency(matrix: csr_matrix, known: Bool[Tensor, " n_items"]) -> _Columns:
    """Binary columns that training items have, weighted by `ln(1 + n / df)`; other columns are dropped."""
    matrix = matrix.tocsr()
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    matrix.data = np.ones(len(matrix.data), dtype=np.float32)
    shown = matrix[known.numpy()]
    frequency = np.bincount(shown.indices, minlength=matrix.shape[1])
    kept = np.flatnonzero(frequency)
    weights = np.log1p(int(known.sum()) / np.maximum(frequency[kept], 1)).astype(np.float32)
    return _Columns((matrix[:, kept] @ diags(weights)).tocsr().astype(np.float32), kept)


def _lengths(block: Block) -> np.ndarray:
    squares = (block**2).sum(axis=1) if isinstance(block, np.ndarray) else block.multiply(block).sum(axis=1)
    lengths: np.ndarray = np.sqrt(np.asarray(squares).ravel())
    return lengths


def _inverse(lengths: np.ndarray) -> np.ndarray:
    return np.where(lengths > 0, 1 / np.maximum(lengths, 1e-12), 0.0).astype(np.float32)


def _scaled(block: Block, scale: np.ndarray) -> Block:
    """Multiply each row by a number."""
    return block * scale[:, None] if isinstance(block, np.ndarray) else (diags(scale) @ block).tocsr().astype(np.float32)
