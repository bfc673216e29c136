"""The command `mmrec` and its subcommands. Help, version and unknown subcommands are handled without importing Hydra."""

import sys
from importlib import import_module

from mmrec import __version__
from mmrec.cli.process.messages import errors_as_messages
from mmrec.cli.process.terminate import end_on_sigterm
from mmrec.cli.verb_help import VERB_HELP
from mmrec.errors import MmrecError, nearest
from mmrec.terminal import say, silent_when_unread

HELP = """mmrec {version}: recommendation from interactions, text, pictures and a knowledge graph

  mmrec train data=movielens_100k               train a model, compare it with baselines, write a report
  mmrec train data=folder data.path=my_shop/    your own files (interactions.csv; items, images, triples optional)
  mmrec train -m "ablation=[],[no_text]"        one run per ablation
  mmrec train resume=runs/…                     resume an interrupted run, with bitwise identical results
  mmrec update run=runs/a data.path=new_week/ out=runs/b   continue a run with new interactions, items, users and triples
  mmrec tune budget_minutes=30 data=…           search settings of the model on the validation part, then train with the best; resume=runs/…
  mmrec evaluate run=runs/…                     recompute the test metrics of a run from its checkpoints
  mmrec evaluate run=runs/… predictions=x.csv   evaluate another system's recommendations by the protocol of a run
  mmrec compare runs/a runs/b …                 paired tests against the first run, as text and as an HTML page
  mmrec leaderboard board=movielens_100k        one table of data × splits × models × seeds; run again to resume
  mmrec recommend run=runs/… user=42 k=10       top-k items for a user
  mmrec recommend run=runs/… user=42 rerank=dpp a diverse list; mmrec evaluate run=runs/… rerank=[mmr,dpp] measures what it costs
  mmrec explain run=runs/… user=42 item=sku-1   why an item is recommended: evidence, history, paths in the graph, and in words
  mmrec chat run=runs/… user=42                 likes, dislikes, "less of genre Drama", "cheaper", in a dialogue
  mmrec search run=runs/… "red boots" k=10      top-k items for a query, after training with task=search; or image=photo.jpg
  mmrec serve run=runs/… port=8000              answer requests over HTTP with a run, or without run= with the newest one
  mmrec key file=keys.jsonl name=shop           make an API key of a service; only its hash is stored
  mmrec data export-events store=… out=…        the events of a service as interactions.parquet, for the next training
  mmrec data init my_shop/                      guess the roles of files and columns, and write them to my_shop/mmrec.yaml
  mmrec data check my_shop/                     report all problems of a dataset; --json FILE
  mmrec data ingest my_shop/ ready/             check, filter and split millions of rows in bounded memory, for training with split=given
  mmrec data describe my_shop/                  statistics, plots, coverage and examples of a dataset; --output page.html
  mmrec data graph my_shop/                     statistics of the knowledge graph; --output graph.graphml
  mmrec pretrain data=demo_shop                 train a small CLIP on the pictures and texts of a catalogue
  mmrec completion bash                         print a script for shell completion, see below

Every configuration key can be overridden: `mmrec COMMAND --help` lists the choices, `mmrec COMMAND key=value … --cfg job` prints the
composed configuration.

Shell completion: add one of these lines to ~/.bashrc, ~/.zshrc or ~/.config/fish/config.fish
  bash  eval "$(mmrec completion bash)"
  zsh   eval "$(mmrec completion zsh)"
  fish  mmrec completion fish | source
"""


def main() -> None:
    """Run a subcommand. User errors print one message and exit with code 2, without a traceback."""
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
    "update": ("mmrec.cli.training.update", "update", "update"),
    "tune": ("mmrec.cli.train", "train", "train"),
    "evaluate": ("mmrec.cli.evaluate", "evaluate", "evaluate"),
    "leaderboard": ("mmrec.cli.leaderboard", "leaderboard", "leaderboard"),
    "recommend": ("mmrec.cli.recommend", "recommend", "recommend"),
    "explain": ("mmrec.cli.explain", "explain", "explain"),
    "chat": ("mmrec.cli.chat", "chat", "chat"),
    "search": ("mmrec.cli.search", "search", "search"),
    "serve": ("mmrec.cli.serving.serve", "serve", "serve"),
    "key": ("mmrec.cli.serving.key", "key", "key"),
    "data export-events": ("mmrec.cli.data.export_events", "export_events", "export_events"),
    "pretrain": ("mmrec.cli.pretrain", "pretrain_command", "pretrain"),
    "data check": ("mmrec.cli.data.check", "check_command", "check"),
    "data describe": ("mmrec.cli.data.describe", "describe_command", "describe"),
    "data ingest": ("mmrec.cli.data.ingest", "ingest_command", "ingest"),
    "data graph": ("mmrec.cli.data.graph", "graph_command", "graph"),
}
"""The subcommands that take overrides: module, function, and name of the configuration that it is called with."""
PLAIN_VERBS = {
    "compare": ("mmrec.cli.compare", "compare"),
    "data init": ("mmrec.cli.data.init", "init"),
    "completion": ("mmrec.cli.completion", "completion"),
}
"""The subcommands with ordinary arguments and options: module, and function that is called with the arguments."""


if __name__ == "__main__":
    main()
