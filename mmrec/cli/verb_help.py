"""What `--help` says of verbs that Hydra does not speak for."""

VERB_HELP = {
    "data check": """usage: mmrec data check PATH [--json FILE] [key=value …]

Reads a dataset and says everything that is wrong with it, in one pass: the first hundred problems by file:line:column with value, reason
and code, the counts of all, what was odd, and pictures that are missing or cannot be read. Exit code 0 where it is sound, 2 where not.

  mmrec data check my_shop/                                     a folder, with its mmrec.yaml if it has one
  mmrec data check my_shop/ data.columns.item_id=sku            keys as for `mmrec train`
  mmrec data check data=movielens_100k                          any other data
  mmrec data check my_shop/ --json problems.json                the same for programs; - is stdout, the words then go to stderr
  mmrec data check my_shop/ pictures=false                      does not decode the pictures, only looks whether they are there
""",
    "data describe": """usage: mmrec data describe PATH [--output page.html] [key=value …]

Prints what a dataset holds: counts, density, time span, interactions of a user and of an item, ratings, how many items have text, picture,
graph and other vectors, examples. Writes the same with plots to one self-contained page.

  mmrec data describe my_shop/                                  a folder, with its mmrec.yaml if it has one
  mmrec data describe my_shop/ --output page.html
  mmrec data describe data=movielens_100k examples=12           any other data; how many items to show
""",
    "data ingest": """usage: mmrec data ingest PATH OUT [split=…] [filter.…=…] [key=value …]

Reads a folder of any size in bounded memory: checks every row, filters, removes repeated rows, splits, and writes the folder OUT, whole or
not at all. Training on it with split=given is training on PATH with the same filter and split. Where OUT is made of the same files
already, nothing is done. Pictures stay where they are.

  mmrec data ingest my_shop/ ready/ split=global_time filter.min_rating=4
  mmrec data ingest my_shop/ ready/ data.on_error=quarantine    rows that cannot be used are set aside, the rest goes on
  mmrec train data=folder data.path=ready/ split=given          then
""",
    "completion": """usage: mmrec completion bash|zsh|fish

Prints what makes a shell complete verbs, keys and the choices of groups. Put one of these lines into the file of your shell:

  ~/.bashrc                      eval "$(mmrec completion bash)"
  ~/.zshrc                       eval "$(mmrec completion zsh)"
  ~/.config/fish/config.fish     mmrec completion fish | source
""",
}
