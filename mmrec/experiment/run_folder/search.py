"""The file of a run that answers search queries, and what says which encoders read them."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mmrec.errors import ConfigError, DataError
from mmrec.experiment.run_folder.files import SEARCH, read_entry
from mmrec.files.storage import read_json, write_json, write_parquet, write_tensors
from mmrec.models.recommender import Recommender
from mmrec.models.search.bm25 import BM25
from mmrec.models.search.fused_search import FusedSearch
from mmrec.models.search.popular_matches import PopularMatches
from mmrec.models.search.search_fusion import SearchFusion
from mmrec.models.search.search_model import SearchScorer
from mmrec.models.search.text_similarity import TextSimilarity
from mmrec.types import IMAGE, TEXT, USER_ID

if TYPE_CHECKING:
    from mmrec.experiment.evidence import Evidence

_TENSORS = "search.safetensors"
_KINDS: dict[str, type[SearchScorer]] = {one.__name__: one for one in (BM25, FusedSearch, PopularMatches, TextSimilarity)}
_OF_QUERIES = ("query_bytes", "query_lengths", "query_vectors", "query_person")
"""What a run folder leaves out, since it answers new queries."""
_BY_ITEM = ("item_lengths", "items", "bias", "item_text", "values", "absent", "counts")
"""What has an entry for each item."""
_PICTURES, _PRESENT = "pictures", "pictures_present"
_LATER = {"person_users": torch.zeros(0, 0), "person_items": torch.zeros(0, 0), "person_weight": torch.zeros(())}
"""What runs of earlier versions lack."""
PEOPLE = "search_people.parquet"
"""The people whose scores search adds, in the order of their vectors."""


def write_search(run_dir: Path, evidence: "Evidence", model: Recommender) -> None:
    """Write what answers queries, if the model does, with the vectors of the items' pictures, to compare others with."""
    scorer = model.freeze() if isinstance(model, SearchFusion) else model
    if not isinstance(scorer, SearchScorer):
        return
    tensors = {name: value.contiguous() for name, value in scorer.state_dict().items() if name not in _OF_QUERIES}
    about: dict[str, object] = {"kind": type(scorer).__name__, "encoders": {}}
    encoders = {TEXT: evidence.queries.encoder if evidence.queries else None}
    if IMAGE in evidence.inputs and IMAGE in evidence.features:
        encoders[IMAGE] = evidence.inputs[IMAGE].encoder
        tensors |= {_PICTURES: evidence.features[IMAGE].values.contiguous(), _PRESENT: evidence.features[IMAGE].present.contiguous()}
    about["encoders"] = {name: encoder.fingerprint for name, encoder in encoders.items() if encoder is not None}
    write_tensors(run_dir / _TENSORS, tensors)
    if evidence.queries is not None and evidence.queries.asked is not None and evidence.queries.people is not None:
        write_parquet(run_dir / PEOPLE, evidence.queries.people.alias(USER_ID).to_frame())
    write_json(run_dir / SEARCH, about)


def read_search(run_dir: Path, n_items: int) -> tuple[SearchScorer, dict[str, str], tuple[Tensor, Tensor] | None]:
    """Read the model that answers queries, the fingerprints of its encoders, and the vectors of pictures with their presence.

    Raises:
        ConfigError: the run does not answer queries.
        DataError: a file is damaged.
    """
    if not (run_dir / SEARCH).is_file():
        raise ConfigError(f"{run_dir}: its model does not answer search queries; `mmrec train task=search` trains one that does")
    about, path = read_json(run_dir / SEARCH), run_dir / _TENSORS
    name = read_entry(run_dir / SEARCH, about, ("kind",), str)
    fingerprints: dict[str, str] = read_entry(run_dir / SEARCH, about, ("encoders",), dict[str, str])
    if name not in _KINDS:
        raise DataError(f"{run_dir / SEARCH}: `kind`: expected {', '.join(_KINDS)}, found `{name}`; it is of another version, train again")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: the file is damaged, truncated or missing: {error}") from error
    pictures = (tensors.pop(_PICTURES), tensors.pop(_PRESENT)) if {_PICTURES, _PRESENT} <= tensors.keys() else None
    found = [*SearchScorer.__annotations__, *_KINDS[name].__annotations__]
    needed = [one for one in found if one not in (*_OF_QUERIES, *vars(SearchScorer))]
    tensors |= {one: value for one, value in _LATER.items() if one in needed and one not in tensors}
    for one in needed:
        if one not in tensors:
            raise DataError(f"{path}: expected `{one}`, found none; it is of another version, train again")
    of_items = [tensors[one] for one in _BY_ITEM if one in tensors] + list(pictures or ())
    if any(one.ndim == 0 or len(one) != n_items for one in of_items) or int(tensors["item_lengths"].sum()) != len(tensors["item_bytes"]):
        raise DataError(f"{path}: expected entries of {n_items:,} items, as items.parquet has rows, found others; were its files changed?")
    model = _KINDS[name]()
    for one in needed:
        model.register_buffer(one, tensors[one])
    return model, fingerprints, pictures
