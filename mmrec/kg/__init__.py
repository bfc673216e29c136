"""Knowledge graphs: triples to networkx graphs to tensors."""

from typing import TYPE_CHECKING

from mmrec.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmrec.kg.graph import KnowledgeGraph as KnowledgeGraph
    from mmrec.kg.graph import build_graph as build_graph
    from mmrec.kg.graph import drop_inverse_relations as drop_inverse_relations
    from mmrec.kg.graph import prune as prune
    from mmrec.kg.graph import to_tensors as to_tensors
    from mmrec.kg.literals import standardize as standardize

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        ".graph": "KnowledgeGraph build_graph drop_inverse_relations prune to_tensors",
        ".literals": "standardize",
    },
)
