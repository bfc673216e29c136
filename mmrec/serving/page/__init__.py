"""The page at `/`, on which a person tries what is served, and the documentation of the interface at `/docs`."""

from typing import TYPE_CHECKING

from mmrec.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmrec.serving.page.routes import add_page as add_page

__getattr__, __dir__, __all__ = lazy_names(__name__, {".routes": "add_page"})
