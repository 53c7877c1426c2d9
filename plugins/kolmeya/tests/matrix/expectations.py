"""What is to come of a scene: as usual, or otherwise where a switch means it."""

from typing import Any, NamedTuple

from .scenes import FAILS, IN_DOUBT, SCENES


class Difference(NamedTuple):
    """What comes otherwise: parts of scenes, or failures of all calls of a kind."""

    parts: dict[str, dict[str, Any]] | None = None  # by scene
    unsent: str | None = None  # the failure of calls that send
    refused: str | None = None  # the failure of all calls
    in_doubt: str | None = None  # of those that change something, if it is another
    carried_out: bool = False  # what fails has been done all the same


def expect(scene, *differences):
    """Return all parts of a scene as they are to be."""
    found = SCENES[scene]
    parts = dict(found.usual)
    for each in differences:
        parts |= _failing(found, each) | (each.parts or {}).get(scene, {})
    return parts


def _failing(scene, difference):
    failure = difference.refused or difference.unsent
    if failure is None:
        return {}
    parts = scene.refused if difference.refused else scene.unsent
    return {
        name: fill(part, failure, difference.in_doubt or failure)
        for name, part in parts.items()
        if not (difference.carried_out and name.startswith(("told", "vendor")))
    }


def fill(part, failure, in_doubt):
    """Return what a scene declares, with the failures in their places."""
    if isinstance(part, dict):
        return {name: fill(each, failure, in_doubt) for name, each in part.items()}
    if isinstance(part, list):
        return [fill(each, failure, in_doubt) for each in part]
    return {FAILS: failure, IN_DOUBT: in_doubt}.get(part, part) if isinstance(part, str) else part
