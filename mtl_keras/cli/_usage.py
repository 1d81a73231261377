"""What the parser of the command line refuses, in one line as everything else."""

from __future__ import annotations

import re
from typing import Any

import typer.core

from mtl_keras.errors import MTLError, unknown

__all__ = ["Verb", "describe_usage"]

#: Where a verb keeps the texts of its options for messages, which the errors of the parser do not have.
GIVEN = "mtl_keras.given"


class Verb(typer.core.TyperCommand):
    """A verb that refuses an option which is given twice but takes one value: the parser would keep the last one silently."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.meta[GIVEN], _, given = self.make_parser(ctx).parse_args(args=list(args))
        for option in given:
            if option.param_type_name == "option" and not option.multiple and sum(each is option for each in given) > 1:
                raise MTLError(f"{option.opts[0]} must be given once. Received: several values. Drop all but one of them.")
        return super().parse_args(ctx, args)


def describe_usage(error: Any) -> MTLError:
    """Return the line for an error of the parser: the rule, what was received, and a remedy.

    Args:
        error: A `ClickException`, of click or of the private copy of it that recent versions of typer have. They agree in
            little more than the texts of their errors.
    """
    message, context = " ".join(error.format_message().split()), error.ctx
    path = "mtl-keras" if context is None else context.command_path
    see = f"see {path} --help"
    if (option := getattr(error, "option_name", None)) and context is not None:
        known = [name for each in context.command.get_params(context) for name in each.opts if name.startswith("--")]
        return unknown(f"option of {path}", option, known, f"For all of them {see}.")
    if found := re.match(r"No such command '(.*?)'\.", message):
        return unknown(f"command of {path}", found[1], context.command.commands)
    if found := re.match(r"Missing argument '\[?(.*?)\]?'", message):
        return MTLError(f"{path} must have the argument {found[1].upper()}. Received: none. Add it, {see}.")
    if found := re.match(r"Got unexpected extra argument\S* \((.*)\)", message):
        return MTLError(f"{path} must have no more arguments than --help shows. Received: also {found[1]}. Drop it, or {see}.")
    if found := re.match(r"Option '(.*?)' requires an argument", message):
        return MTLError(f"{found[1]} must have a value. Received: none. Pass {found[1]} VALUE, {see}.")
    if found := re.match(r"Option '(.*?)' does not take a value", message):
        return MTLError(f"{found[1]} must have no value. Received: one. Pass {found[1]} alone.")
    if (parameter := getattr(error, "param", None)) is not None:
        name, value = parameter.opts[0], context.meta.get(GIVEN, {}).get(parameter.name)
        _, several, choices = message.partition("is not one of ")
        if several:
            return unknown(f"value of {name}", value, re.findall("'(.*?)'", choices))
        if "integer" in message:
            return MTLError(f"{name} must be an integer. Received: {value!r}. Pass e.g. {name} 3.")
    return MTLError(f"The command line must be one that --help shows. Received: {message.rstrip('.')}. Correct it, {see}.")
