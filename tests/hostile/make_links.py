"""Datasets whose tables are links, pipes and folders."""

import os
from collections.abc import Callable
from pathlib import Path

from make_exhausting import INTERACTIONS

Content = bytes | str | Callable[[Path], None]


def link_to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def links() -> dict[str, dict[str, Content]]:
    """Tables that are links, pipes and folders."""
    sound = {"interactions.csv": INTERACTIONS}
    return {
        "csv link out": {"interactions.csv": link_to("/etc/passwd")},
        "csv link to zero": {"interactions.csv": link_to("/dev/zero")},
        "csv link to itself": {"interactions.csv": link_to("interactions.csv")},
        "items link out": sound | {"items.csv": link_to("../../../../../../../etc/passwd")},
        "parts link out": {"interactions/a.csv": INTERACTIONS, "interactions/b.csv": link_to("/etc/passwd")},
        "parts hidden pipe": {"interactions/a.csv": INTERACTIONS, "interactions/.b.csv": os.mkfifo},
        "parts pipe": {"interactions/a.csv": INTERACTIONS, "interactions/b.csv": os.mkfifo},
        "parts in parts": {"interactions/a/a/a.csv": INTERACTIONS, "interactions/a/a/b": link_to("..")},
        "pipe": {"interactions.csv": os.mkfifo},
        "pipe as items": sound | {"items.jsonl": os.mkfifo},
        "device as items": sound | {"items.csv": link_to("/dev/zero")},
        "settings link out": sound | {"mmrec.yaml": link_to("/etc/passwd")},
        "settings pipe": sound | {"mmrec.yaml": os.mkfifo},
    }
