"""The model of a run as it is served: immutable, with its catalogue and index."""

from typing import TYPE_CHECKING

from mmrec.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmrec.serving.model.catalogue import Catalogue as Catalogue
    from mmrec.serving.model.served import ServedModel as ServedModel

__getattr__, __dir__, __all__ = lazy_names(__name__, {".catalogue": "Catalogue", ".served": "ServedModel"})
