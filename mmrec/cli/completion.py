"""The command `mmrec completion`: shell completion of subcommands, configuration keys and the choices of groups."""

from collections.abc import Sequence

from mmrec.errors import ConfigError, nearest
from mmrec.terminal import say

_BASH = r"""_mmrec() {
  local line=${COMP_LINE:0:COMP_POINT} IFS=$'\n'
  local word=${line##* }
  COMPREPLY=($(mmrec completion query "$line" 2>/dev/null))
  local before=${word%"${word##*[=:]}"}  # bash only completes the part after = and :
  COMPREPLY=("${COMPREPLY[@]#"$before"}")
}
complete -o nospace -o default -F _mmrec mmrec"""
_ZSH = r"""_mmrec() {
  local -a found
  found=(${(f)"$(mmrec completion query "${(j: :)words[1,CURRENT]}" 2>/dev/null)"})
  compadd -Q -S '' -a found || _files
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
compdef _mmrec mmrec"""
_FISH = """complete -c mmrec -f -a '(mmrec completion query (commandline -cp | string collect -N) 2>/dev/null)'"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def completion(words: Sequence[str]) -> None:
    """Print the completion script of a shell, or, for `query LINE`, the completions of the last word of a line.

    Raises:
        ConfigError: there is no script for the shell.
    """
    if len(words) == 2 and words[0] == "query":
        say(*complete(words[1]), stderr=False)
    elif len(words) == 1 and words[0] in SCRIPTS:
        say(*SCRIPTS[words[0]].splitlines(), stderr=False)
    else:
        raise ConfigError(f"completion: expected a shell, found `{' '.join(words)}`; {nearest(' '.join(words), SCRIPTS)}")


def complete(line: str) -> list[str]:
    """Return the completions of the last word of a command line: subcommands, keys, or choices of a group."""
    from mmrec.cli.main import PLAIN_VERBS, VERBS

    words = line.split(" ")[1:]
    n_words = 2 if words[:1] == ["data"] else 1
    if len(words) <= n_words:
        given = " ".join(words)
        return sorted({verb.split(" ")[n_words - 1] for verb in (*VERBS, *PLAIN_VERBS) if verb.startswith(given)})
    verb, rest = " ".join(words[:n_words]), " ".join(words[n_words:])
    return _overrides(VERBS[verb][2], rest) if verb in VERBS else []


def _overrides(config_name: str, line: str) -> list[str]:
    import hydra
    from hydra.core.global_hydra import GlobalHydra

    from mmrec.config.hydra.internals import complete_line
    from mmrec.schemas import register_schemas

    register_schemas()
    with hydra.initialize_config_module("mmrec.conf", version_base="1.3"):
        return complete_line(GlobalHydra.instance().config_loader(), config_name, line)
