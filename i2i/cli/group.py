"""Command groups whose help says the whole first sentence of each command."""

import re
from typing import Any

from typer.core import TyperGroup


class CommandGroup(TyperGroup):
    """Command group that prints its help where no command is named, and does not shorten the summaries in it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, args or ["--help"])

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for command in self.commands.values():
            command.short_help = summary(command.help or "")
        super().format_commands(ctx, formatter)


def summary(text: str) -> str:
    """The first sentence of a command's help, without its example."""
    return re.split(r": i2i |\.(?:\s|$)", " ".join(text.split()))[0]
