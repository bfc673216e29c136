"""Explain recommendations: by evidence, by the user's history, by paths in the knowledge graph, and in words.

    run.explain("42", "sku-1").sentences

Each way has a file of its own with functions over tensors; `mmrec.experiment.run.explain` applies them to a finished run.
"""

from typing import TYPE_CHECKING

from mmrec.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmrec.explain.curves import evidence_areas as evidence_areas
    from mmrec.explain.curves import history_area as history_area
    from mmrec.explain.evidence import EvidenceExplainer as EvidenceExplainer
    from mmrec.explain.evidence import EvidenceShares as EvidenceShares
    from mmrec.explain.evidence import lead_of as lead_of
    from mmrec.explain.explanation import EvidenceReason as EvidenceReason
    from mmrec.explain.explanation import Explanation as Explanation
    from mmrec.explain.explanation import ItemReason as ItemReason
    from mmrec.explain.explanation import PathReason as PathReason
    from mmrec.explain.gradients import integrated_gradients as integrated_gradients
    from mmrec.explain.history import HistoryReason as HistoryReason
    from mmrec.explain.history import explain_by_history as explain_by_history
    from mmrec.explain.paths import GraphPath as GraphPath
    from mmrec.explain.paths import PathFinder as PathFinder
    from mmrec.explain.paths import without_path as without_path
    from mmrec.explain.scaled_inputs import ScaledInputs as ScaledInputs
    from mmrec.explain.sentences import with_sentences as with_sentences
    from mmrec.explain.shapley import shapley_values as shapley_values

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        ".curves": "evidence_areas history_area",
        ".evidence": "EvidenceExplainer EvidenceShares lead_of",
        ".explanation": "EvidenceReason Explanation ItemReason PathReason",
        ".history": "HistoryReason explain_by_history",
        ".gradients": "integrated_gradients",
        ".paths": "GraphPath PathFinder without_path",
        ".scaled_inputs": "ScaledInputs",
        ".sentences": "with_sentences",
        ".shapley": "shapley_values",
    },
)
