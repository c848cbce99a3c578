"""A bash completion script, made of the parser it completes; it asks nothing while it completes."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Final, cast

_SCRIPT: Final = """\
# Completes {program} in bash; made by: {program} completion
_{function}() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD - 1]}}" words
    case "$before" in
{values}
        *)
            case "${{COMP_WORDS[COMP_CWORD > 1 ? 1 : 0]}}" in
{commands}
                *) words="{first}" ;;
            esac ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}}
complete -F _{function} {program}
"""
_FILES: Final = 'compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;'


def bash_script(parser: argparse.ArgumentParser) -> str:
    """Return the script: commands first, then the options of each, then the values of an option."""
    commands = _commands(parser)
    options = {name: _options(command) for name, command in commands.items()}
    values = {word: action for found in options.values() for action in found for word in action.option_strings}
    return _SCRIPT.format(
        program=parser.prog,
        function=parser.prog.replace("-", "_"),
        values="\n".join(
            f"        {word}) {said}" for word, action in values.items() if (said := _said(action)) is not None
        ),
        commands="\n".join(f'                {name}) words="{_words(found)}" ;;' for name, found in options.items()),
        first=" ".join([*commands, _words(_options(parser))]),
    )


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in _actions(parser):
        choices = cast("object", action.choices)
        if isinstance(choices, dict):  # only that of the commands has them by name
            return cast("dict[str, argparse.ArgumentParser]", choices)
    return {}


def _options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in _actions(parser) if action.option_strings]


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return parser._actions  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] argparse lists them nowhere else


def _words(actions: Iterable[argparse.Action]) -> str:
    return " ".join(word for action in actions for word in action.option_strings)


def _said(action: argparse.Action) -> str | None:
    """Return what to offer as the value of an option, None where it takes none."""
    choices = cast("Iterable[object] | None", action.choices)
    if choices is not None:
        return f'words="{" ".join(map(str, choices))}" ;;'
    return _FILES if action.type is Path else None
