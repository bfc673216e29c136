"""The help texts of subcommands whose arguments Hydra does not describe."""

VERB_HELP = {
    "data check": """usage: mmrec data check PATH [--json FILE] [key=value …]

Report all problems of a dataset in one pass: the first hundred by file:line:column with value, reason and code, the counts of all, notes,
and pictures that are missing or cannot be read. The exit code is 0 if there are no problems, and 2 otherwise.

  mmrec data check my_shop/                                     a folder, with its mmrec.yaml if it has one
  mmrec data check my_shop/ data.columns.item_id=sku            overrides as for `mmrec train`
  mmrec data check data=movielens_100k                          any other dataset
  mmrec data check my_shop/ --json problems.json                also write JSON; - is stdout, and the text then goes to stderr
  mmrec data check my_shop/ pictures=false                      do not decode pictures, only check that they exist
""",
    "data describe": """usage: mmrec data describe PATH [--output page.html] [key=value …]

Print statistics of a dataset: counts, density, time span, interactions per user and per item, ratings, the number of items with text,
picture, graph and other vectors, and example items. Optionally write the same with plots to one self-contained page.

  mmrec data describe my_shop/                                  a folder, with its mmrec.yaml if it has one
  mmrec data describe my_shop/ --output page.html
  mmrec data describe data=movielens_100k examples=12           any other dataset; the number of example items
""",
    "data ingest": """usage: mmrec data ingest PATH OUT [split=…] [filter.…=…] [key=value …]

Check, filter, deduplicate and split a folder of any size in bounded memory, and write the result to the folder OUT, completely or not at
all. Training on OUT with split=given is equivalent to training on PATH with the same filter and split. If OUT is up to date with the same
files and settings, nothing is done. Pictures are not copied.

  mmrec data ingest my_shop/ ready/ split=global_time filter.min_rating=4
  mmrec data ingest my_shop/ ready/ data.on_error=quarantine    write invalid rows to separate files, and continue without them
  mmrec train data=folder data.path=ready/ split=given          train on the result
""",
    "completion": """usage: mmrec completion bash|zsh|fish

Print a script with which a shell completes commands, configuration keys and the choices of groups. Add one of these lines to the startup
file of your shell:

  ~/.bashrc                      eval "$(mmrec completion bash)"
  ~/.zshrc                       eval "$(mmrec completion zsh)"
  ~/.config/fish/config.fish     mmrec completion fish | source
""",
}
