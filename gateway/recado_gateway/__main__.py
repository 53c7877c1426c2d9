"""``python -m recado_gateway``: the ``recado`` command line."""

import sys

from recado_gateway.cli import main

if __name__ == "__main__":
    sys.exit(main())
