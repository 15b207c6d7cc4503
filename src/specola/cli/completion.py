"""`specola completion`: what a shell has to be told to complete our commands."""

from collections.abc import Mapping

import click
from click.shell_completion import get_completion_class

__all__ = ["COMMANDS"]


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    r"""Print the completion script of a SHELL.

    \b
    bash: source <(specola completion bash)      in ~/.bashrc
    zsh:  source <(specola completion zsh)       in ~/.zshrc
    fish: specola completion fish | source       in ~/.config/fish/config.fish
    """
    complete = get_completion_class(shell)
    assert complete is not None, "the choices are shells that Click knows"
    click.echo(complete(context.find_root().command, {}, "specola", "_SPECOLA_COMPLETE").source())


COMMANDS: Mapping[str, click.Command] = {"completion": completion}
