"""The pages about running Recado say what is there: commands, options, files, settings."""

import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest
from recado_core.messages import Status
from recado_gateway.cli.commands import Commands, Parser
from recado_gateway.cli.operations import make_request, read_item
from recado_gateway.cli.program import PLUGIN_GROUPS, ROOMS
from recado_gateway.settings import load_settings
from recado_kolmeya.operations import OPERATIONS

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "docs/README.md", "docs/command-line.md", "docs/operations.md"]
GENERAL = {"--help", "--config", "--debug"}


def read(page):
    return (ROOT / page).read_text("utf-8")


def commands_of(command, *path):
    """Yield every command that can be run, with its options."""
    below = {name: command.get(name) for name in command.names}
    if not below:
        options = {
            option
            for action in command.parser._actions  # noqa: SLF001 # argparse tells it nowhere else
            for option in action.option_strings
            if option.startswith("--")
        }
        yield " ".join(path), options - GENERAL
    for name, found in below.items():
        yield from commands_of(found, *path, name)


def every_command():
    root = Commands(Parser(prog="recado"))
    for name, (room, summary) in ROOMS.items():
        import_module(f"recado_gateway.cli.{room}").add_to(root.add(name, summary))
    return dict(commands_of(root, "recado"))


def sections():
    """Return the text of each section of the command line's page, by its heading."""
    parts = re.split(r"^## (.+)$", read("docs/command-line.md"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_command_has_its_section_and_every_section_its_command():
    told = {heading for heading in sections() if heading.startswith("recado ")}
    assert told == set(every_command()) | {f"recado {name}" for name in PLUGIN_GROUPS}


@pytest.mark.parametrize("command", every_command())
def test_every_option_is_told_and_every_option_told_is_there(command):
    own = re.sub(r"`recado [^`]+`", "", sections()[command])  # other commands' options
    assert set(re.findall(r"--[a-z][a-z-]*", own)) == every_command()[command]


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", read(page)):
        assert ((ROOT / page).parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_is_shown_is_there(page):
    known = {tuple(command.split()[1:]) for command in every_command()}
    known |= {(name, "kolmeya") for name in PLUGIN_GROUPS}
    shown = re.findall(r"(?:^|[\s`(/])recado ((?:[a-z]+ ?)+)", "\n".join(code_of(read(page))))
    for words in map(str.split, shown):
        assert any(tuple(words[: len(path)]) == path for path in known), words


def code_of(text):
    """Return what a page shows as code, in blocks and in lines."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [re.sub(r"#.*", "", block) for block in blocks] + re.findall(r"`([^`]+)`", rest)


def test_the_phones_of_the_example_are_those_of_the_block_list():
    (text,) = re.findall(r"`(phones:=[^`]+)`", sections()["recado accounts run"])
    item = read_item(*shlex.split(text))
    blocking = [operation for operation in OPERATIONS if "blacklist" in operation.name]
    for operation in blocking:
        request = make_request(operation, {}, [item], "UTC")
        assert [entry.phone for entry in request.phones] == ["+5511900000001"]
    assert len(blocking) == 2


def test_the_readme_s_configuration_starts(tmp_path):
    (text,) = re.findall(r"^```toml\n(.*?)^```", read("README.md"), re.MULTILINE | re.DOTALL)
    file = tmp_path / "recado.toml"
    file.write_text(text)
    settings = load_settings(file, {"KOLMEYA_TOKEN": "made-up"})
    assert settings.engine.accounts["kolmeya_main"].rate == "500/60s"


def test_the_readme_tells_every_status():
    told = re.findall(r"^\| `([a-z]+)` \|", read("README.md"), re.MULTILINE)
    assert told == [str(status) for status in Status]
