"""Steer recommendations in a dialogue: likes, dislikes and critiques that change the list at once.

run.session("42").dislike("sku-1").critique("something darker").recommend()
"""

from typing import TYPE_CHECKING

from mmrec.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmrec.steering.items import Person as Person
    from mmrec.steering.items import SteeredItems as SteeredItems
    from mmrec.steering.session import Session as Session
    from mmrec.steering.session import Turn as Turn
    from mmrec.steering.steer import Strengths as Strengths
    from mmrec.steering.vocabulary import Vocabulary as Vocabulary

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        ".items": "Person SteeredItems",
        ".session": "Session Turn",
        ".steer": "Strengths",
        ".vocabulary": "Vocabulary",
    },
)
