"""The file of a run that answers search queries, and what says which encoders read them."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mmrec.errors import ConfigError, DataError
from mmrec.experiment.evidence import Evidence
from mmrec.experiment.run_folder.files import SEARCH
from mmrec.files.storage import read_json, write_json, write_tensors
from mmrec.models.recommender import Recommender
from mmrec.models.search.bm25 import BM25
from mmrec.models.search.fused_search import FusedSearch
from mmrec.models.search.popular_matches import PopularMatches
from mmrec.models.search.search_fusion import SearchFusion
from mmrec.models.search.search_model import SearchModel
from mmrec.models.search.text_similarity import TextSimilarity
from mmrec.types import IMAGE, TEXT

_TENSORS = "search.safetensors"
_KINDS: dict[str, type[SearchModel]] = {one.__name__: one for one in (BM25, FusedSearch, PopularMatches, TextSimilarity)}
_PICTURES, _PRESENT = "pictures", "pictures_present"


def write_search(run_dir: Path, evidence: Evidence, model: Recommender) -> None:
    """Write what answers queries, if the model does, with the vectors of the items' pictures, to compare others with."""
    scorer = model.freeze() if isinstance(model, SearchFusion) else model
    if not isinstance(scorer, SearchModel):
        return
    tensors = {name: value.contiguous() for name, value in scorer.state_dict().items() if not name.startswith("query_")}
    about: dict[str, object] = {"kind": type(scorer).__name__, "encoders": {}}
    encoders = {TEXT: evidence.queries.encoder if evidence.queries else None}
    if IMAGE in evidence.inputs and IMAGE in evidence.features:
        encoders[IMAGE] = evidence.inputs[IMAGE].encoder
        tensors |= {_PICTURES: evidence.features[IMAGE].values.contiguous(), _PRESENT: evidence.features[IMAGE].present.contiguous()}
    about["encoders"] = {name: encoder.fingerprint for name, encoder in encoders.items() if encoder is not None}
    write_tensors(run_dir / _TENSORS, tensors)
    write_json(run_dir / SEARCH, about)


def read_search(run_dir: Path) -> tuple[SearchModel, dict[str, str], tuple[Tensor, Tensor] | None]:
    """Read the model that answers queries, the fingerprints of its encoders, and the vectors of pictures with their presence.

    Raises:
        ConfigError: the run does not answer queries.
        DataError: a file is damaged.
    """
    if not (run_dir / SEARCH).is_file():
        raise ConfigError(f"{run_dir}: its model does not answer search queries; `mmrec train task=search` trains one that does")
    about = read_json(run_dir / SEARCH)
    try:
        kind, fingerprints = _KINDS[about["kind"]], dict(about["encoders"])
        tensors = load_file(run_dir / _TENSORS)
        pictures = (tensors.pop(_PICTURES), tensors.pop(_PRESENT)) if _PICTURES in tensors else None
        model = kind()
        for name in ("query_bytes", "query_lengths", "query_vectors"):
            tensors[name] = tensors["item_lengths"][:0]
        model.load_state_dict(tensors)
        if lacking := [
            name for name in (*SearchModel.__annotations__, *kind.__annotations__) if name.islower() and not hasattr(model, name)
        ]:
            raise KeyError(lacking[0])
    except (SafetensorError, OSError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        raise DataError(f"{run_dir / _TENSORS}: expected what answers queries, it is damaged or of another version: {error}") from error
    return model, fingerprints, pictures
