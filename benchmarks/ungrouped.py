#!/usr/bin/env python3
"""``recado`` as it would be without group commit: every accepted message is a transaction alone.

``accept.py`` compares the gateway with it. Nothing else is changed: a group has one row at most,
and each transaction is committed by itself.
"""

import functools
import sys

from recado_core.engine.accept import singles, storing
from recado_core.engine.grouping import Grouping
from recado_core.engine.store import sqlite
from recado_core.engine.store.writer import process
from recado_gateway.cli import main

if __name__ == "__main__":
    singles.Grouping = storing.Grouping = functools.partial(Grouping, limit=1)
    sqlite.TOGETHER = process.TOGETHER = 1
    sys.exit(main())
