"""Sessions over a served model: dialogues that steer its lists."""

from typing import TYPE_CHECKING

from mmrec.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmrec.serving.sessions.served_items import ServedItems as ServedItems

__getattr__, __dir__, __all__ = lazy_names(__name__, {".served_items": "ServedItems"})
