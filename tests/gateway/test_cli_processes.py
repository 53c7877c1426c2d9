"""The installed script as people run it: processes, signals, and what is left when they end."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

RECADO = Path(sys.executable).parent / "recado"
DEADLINE = 60.0
LISTENS = re.compile(r"listens on (http://\S+)")


class Running:
    """A process of ours with its output in a file."""

    def __init__(self, folder, environ, log, *arguments):
        self.log = folder / log
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [RECADO, *arguments],
                cwd=folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def said(self):
        return self.log.read_text("utf-8")

    def wait_for(self, pattern):
        deadline = time.monotonic() + DEADLINE
        while not (found := re.search(pattern, self.said())):
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)
        return found

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)


class Place:
    """A folder to run the script in; what still runs at the end is killed."""

    def __init__(self, folder):
        self.folder = folder
        self.started = []
        kept = {name: text for name, text in os.environ.items() if not name.startswith("RECADO_")}
        self.environ = kept | {"NO_PROXY": "127.0.0.1"}

    def start(self, *arguments):
        """Start the script and leave it running."""
        log = f"{arguments[0]}-{len(self.started)}.log"
        self.started.append(Running(self.folder, self.environ, log, *arguments))
        return self.started[-1]

    def recado(self, *arguments, code=0):
        """Run the script to its end and return what it printed."""
        done = subprocess.run(
            [RECADO, *arguments],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stdout

    def clear(self):
        for running in self.started:
            running.process.kill()
            running.process.wait()


@pytest.fixture
def place(tmp_path):
    found = Place(tmp_path)
    yield found
    found.clear()


def free_port():
    """Return a port that was free a moment ago."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


def use_simulator(folder, url, gateway_port):
    """Lead the configuration that `init` wrote to this simulator, and it back to us."""
    file = folder / "recado.toml"
    text = file.read_text().replace("http://127.0.0.1:8900", url)
    file.write_text(text.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{gateway_port}"))


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Make an installation as a new user does and serve it: the place, its address, a key."""
    place = Place(tmp_path_factory.mktemp("served"))
    place.recado("init", "--yes")
    key = place.recado("keys", "create", "--name", "shop", "--scope", "admin").strip()
    simulator = place.start("simulate", "kolmeya", "--port", "0")
    port = free_port()
    use_simulator(place.folder, simulator.wait_for(LISTENS)[1], port)
    gateway = place.start("serve", "--port", port)
    yield place, gateway.wait_for(LISTENS)[1], key
    codes = gateway.end(), simulator.end()
    place.clear()
    assert codes == (0, 0)
    assert "Traceback" not in gateway.said()


def test_first_message_of_a_new_installation_is_delivered(served):
    place, url, key = served
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False) as client:
        answer = client.post("/v1/messages", json={"to": "+5511900000001", "text": "Olá"})
        assert answer.status_code == 202
        message = f"/v1/messages/{answer.json()['id']}"
        deadline = time.monotonic() + DEADLINE
        while (status := client.get(message).json()["status"]) != "delivered":
            assert time.monotonic() < deadline, status
            time.sleep(0.1)
    assert "+5511900000001" in place.recado("messages", "list", "--status", "delivered")


def test_check_is_content_with_an_installation_that_runs(served):
    place, _, _ = served
    assert json.loads(place.recado("check", "--json"))["ok"] is True


def test_send_waits_until_the_message_is_delivered(served):
    place, _, _ = served
    said = place.recado("send", "--to", "+5511999900000", "--text", "Oi", "--wait")
    assert said.split()[1] == "delivered"


def test_send_that_waits_fails_where_the_message_did_not_arrive(served):
    place, _, _ = served
    arguments = ["send", "--to", "+5511999900004", "--text", "Oi", "--wait"]
    identifier, status = place.recado(*arguments, code=1).split()
    assert status == "undelivered"
    _, status = place.recado("messages", "resend", identifier).split()
    assert status == "queued"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_ends_in_order_when_it_is_told(number, place):
    gateway = place.start("serve", "--port", "0")
    gateway.wait_for(LISTENS)
    assert gateway.end(number) == 0


def test_serve_on_a_taken_port_says_so_in_one_line(served):
    place, url, _ = served
    port = url.rpartition(":")[2]
    second = place.start("serve", "--port", port)
    assert second.process.wait(DEADLINE) == 1
    assert re.fullmatch(rf"recado: can't listen on 127.0.0.1:{port}: .*\n", second.said())


def test_worker_sends_what_the_command_line_accepted(place):
    place.recado("init", "--yes")
    simulator = place.start("simulate", "kolmeya", "--port", "0")
    use_simulator(place.folder, simulator.wait_for(LISTENS)[1], free_port())
    worker = place.start("worker")
    worker.wait_for("worker started")
    # The simulator refuses this number at once, so that no webhook is waited for.
    arguments = ["send", "--to", "+5511999900010", "--text", "Oi", "--wait"]
    assert place.recado(*arguments, code=1).split()[1] == "rejected"
    assert worker.end() == 0
    assert "Traceback" not in worker.said()


# The demo


def children_of(process):
    return psutil.Process(process.pid).children(recursive=True)


def test_demo_once_brings_every_message_to_its_final_status_and_begins_anew_each_time(place):
    port = free_port()
    for _ in range(2):
        said = place.recado("demo", "--once", "--port", port)
        for status in ("delivered", "undelivered", "rejected", "expired", "suppressed"):
            assert f"→ {status}" in said
        assert "replies: SIM" in said
        assert "8 of 8 messages" in said
        assert re.search(r"API key   rcd_\S+", said)
        assert f"http://127.0.0.1:{port}/" in said
    config = f".recado/demo-{port}.toml"
    listed = place.recado("messages", "list", "--direction", "out", "--config", config)
    assert listed.count("+55") == 8


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_demo_serves_until_it_is_ended_and_leaves_no_process(number, place):
    demo = place.start("demo", "--port", "0")
    demo.wait_for("Ctrl-C ends the demo")
    said = demo.said()
    url = re.search(r"(http://127.0.0.1:\d+)/", said)[1]
    key = re.search(r"API key   (\S+)", said)[1]
    config = re.search(r"messages list --config (\S+)", said)[1]
    headers = {"Authorization": f"Bearer {key}"}
    assert httpx.get(f"{url}/v1/messages", headers=headers, trust_env=False).status_code == 200
    assert "received" in place.recado("messages", "list", "--config", config)
    children = children_of(demo.process)
    assert children
    assert demo.end(number) == 0
    assert not [child for child in children if child.is_running()]


def test_demo_ended_while_it_begins_leaves_no_process(place):
    demo = place.start("demo", "--port", "0")
    demo.wait_for("Starting the simulator")
    children = children_of(demo.process)
    assert demo.end() == 130
    assert not [child for child in children if child.is_running()]
    assert "Traceback" not in demo.said()


def test_demo_on_a_taken_port_names_the_option(served):
    place, url, _ = served
    port = url.rpartition(":")[2]
    demo = place.start("demo", "--once", "--port", port)
    assert demo.process.wait(DEADLINE) == 1
    assert demo.said().splitlines() == [
        f"recado: can't listen on 127.0.0.1:{port}: another program does; --port takes another"
    ]


def test_demo_whose_simulator_dies_says_so_and_fails(place):
    demo = place.start("demo", "--port", "0")
    demo.wait_for("Ctrl-C ends the demo")
    (simulator,) = children_of(demo.process)
    simulator.kill()
    assert demo.process.wait(DEADLINE) == 1
    assert demo.said().splitlines()[-1].startswith("recado: the simulator ended")
