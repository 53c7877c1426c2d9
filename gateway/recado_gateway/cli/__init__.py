"""The ``recado`` command line, one module for each group of commands."""

from recado_gateway.cli.program import main

__all__ = ["main"]
