"""`mmrec`: the verbs. What a mistake needs not is not imported: help, versions and misspelt verbs are answered without Hydra."""

import sys
from importlib import import_module

from mmrec import __version__
from mmrec.cli.process.messages import errors_as_messages
from mmrec.cli.process.terminate import end_on_sigterm
from mmrec.cli.verb_help import VERB_HELP
from mmrec.errors import MmrecError, nearest
from mmrec.terminal import say, silent_when_unread

HELP = """mmrec {version}: recommendation from interactions, text, pictures and a knowledge graph

  mmrec train data=movielens_100k               train, measure beside baselines, report
  mmrec train data=folder data.path=my_shop/    your own files (interactions.csv; items, images, triples optional)
  mmrec train -m "ablation=[],[no_text]"        one run an ablation
  mmrec train resume=runs/…                     go on with a run that was stopped, to the bit
  mmrec evaluate run=runs/…                     measure a run again from its checkpoints
  mmrec evaluate run=runs/… predictions=x.csv   any other system's lists under the protocol of that run
  mmrec compare runs/a runs/b …                 paired tests against the first run, a page and a verdict in words
  mmrec leaderboard board=movielens_100k        data × splits × models × seeds into one table; started again it goes on
  mmrec recommend run=runs/… user=42 k=10       the best items for a user
  mmrec data init my_shop/                      which of your files is what: guesses, and writes them to my_shop/mmrec.yaml
  mmrec data check my_shop/                     everything that is wrong with your files, in one pass; --json FILE
  mmrec data ingest my_shop/ ready/             millions of rows in little memory: checked, filtered, split; to train on with split=given
  mmrec data describe my_shop/                  counts, plots, coverage, examples; --output page.html
  mmrec data graph my_shop/                     what is in the knowledge graph; --output graph.graphml
  mmrec pretrain data=demo_shop                 train a small CLIP on a catalogue's pictures and texts
  mmrec completion bash                         what makes a shell complete verbs, keys and choices: see below

Every key can be overridden: `mmrec VERB --help` lists the choices, `mmrec VERB key=value … --cfg job` shows the result.

Shell completion, once for each new shell: put the line into ~/.bashrc, ~/.zshrc or ~/.config/fish/config.fish
  bash  eval "$(mmrec completion bash)"
  zsh   eval "$(mmrec completion zsh)"
  fish  mmrec completion fish | source
"""


def main() -> None:
    """The entry point: runs a verb. A person's mistake prints one message and exits with 2; nothing of it is a traceback."""
    with silent_when_unread():
        _run(sys.argv[1:])


def _run(arguments: list[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help", "help") or arguments in (["data", "-h"], ["data", "--help"]):
        say(*HELP.format(version=__version__).splitlines(), stderr=False)
        return
    if arguments[0] == "--version":
        say(__version__, stderr=False)
        return
    verb, rest = (" ".join(arguments[:2]), arguments[2:]) if arguments[0] == "data" else (arguments[0], arguments[1:])
    with errors_as_messages(VERBS[verb][2] if verb in VERBS else "train"), end_on_sigterm():
        if verb in VERB_HELP and {"-h", "--help"} & set(rest):
            say(*VERB_HELP[verb].splitlines(), stderr=False)
            return
        if verb in PLAIN_VERBS:
            module, function = PLAIN_VERBS[verb]
            getattr(import_module(module), function)(rest)
            return
        if verb not in VERBS:
            raise MmrecError(f"there is no `mmrec {verb}`; {nearest(verb, [*VERBS, *PLAIN_VERBS])}")
        from mmrec.cli.hydra.run_verb import Verb, run_verb  # imports hydra

        run_verb(verb, Verb(*VERBS[verb]), rest)


VERBS = {
    "train": ("mmrec.cli.train", "train", "train"),
    "evaluate": ("mmrec.cli.evaluate", "evaluate", "evaluate"),
    "leaderboard": ("mmrec.cli.leaderboard", "leaderboard", "leaderboard"),
    "recommend": ("mmrec.cli.recommend", "recommend", "recommend"),
    "pretrain": ("mmrec.cli.pretrain", "pretrain_command", "pretrain"),
    "data check": ("mmrec.cli.check", "check_command", "check"),
    "data describe": ("mmrec.cli.describe", "describe_command", "describe"),
    "data ingest": ("mmrec.cli.ingest", "ingest_command", "ingest"),
    "data graph": ("mmrec.cli.graph", "graph_command", "graph"),
}
"""Verbs that take overrides: the module and the function that is called with the configuration, and the name of that."""
PLAIN_VERBS = {
    "compare": ("mmrec.cli.compare", "compare"),
    "data init": ("mmrec.cli.init", "init"),
    "completion": ("mmrec.cli.completion", "completion"),
}
"""Verbs that take folders and options: the module and the function that is called with the words."""


if __name__ == "__main__":
    main()
