import argparse
import subprocess
import sys

import pytest
import recado_kolmeya
from recado_kolmeya.simulator import Simulator


class CommandLine:
    """What the gateway's command line is to a plugin."""

    def __init__(self):
        self.parsers = {}
        self.served = []

    def add_command(self, *path, summary):
        self.parsers[path] = argparse.ArgumentParser(prog=" ".join(path), description=summary)
        return self.parsers[path]

    def serve(self, app, host, port):
        self.served.append((app, host, port))
        return 0


def simulate(*arguments):
    cli = CommandLine()
    recado_kolmeya.register_commands(cli)
    args = cli.parsers["simulate", "kolmeya"].parse_args(arguments)
    return args.run(args), cli.served


def test_simulator_is_served_where_it_is_told():
    code, ((app, host, port),) = simulate("--host", "0.0.0.0", "--port", "8100", "--seed", "7")  # noqa: S104  # nothing listens
    assert code == 0
    assert isinstance(app, Simulator)
    assert (host, port, app.world.switches.seed) == ("0.0.0.0", 8100, 7)  # noqa: S104  # as above


def test_wrong_switch_is_wrong_use(capsys):
    with pytest.raises(SystemExit) as stop:
        simulate("--price", "cheap")
    assert stop.value.code == 2
    assert "price" in capsys.readouterr().err


def test_plugin_starts_without_its_simulator():
    script = "import recado_kolmeya, sys; sys.exit('recado_kolmeya.simulator' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=False)  # our own interpreter
    assert done.returncode == 0
