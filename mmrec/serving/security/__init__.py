"""What stands between a network and the service: API keys, limits of rate, size and time, and security headers, as ASGI middleware."""

from typing import TYPE_CHECKING

from mmrec.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmrec.serving.security.access import check_exposure as check_exposure
    from mmrec.serving.security.api_keys import ApiKeys as ApiKeys
    from mmrec.serving.security.api_keys import make_key as make_key
    from mmrec.serving.security.guarded import Limits as Limits
    from mmrec.serving.security.guarded import guard as guard

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        ".access": "check_exposure",
        ".api_keys": "ApiKeys make_key",
        ".guarded": "Limits guard",
    },
)
