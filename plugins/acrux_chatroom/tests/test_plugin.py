from importlib.metadata import entry_points

import pluggy
import recado_acrux_chatroom
from recado_core import hookspecs


def test_plugin_is_found_by_its_entry_point():
    (entry,) = entry_points(group="recado", name="acrux_chatroom")
    assert entry.load() is recado_acrux_chatroom


def test_plugin_implements_only_hooks_that_exist():
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(recado_acrux_chatroom)
    manager.check_pending()
    ((sink_type,),) = manager.hook.register_sinks()
    assert sink_type.id == "acrux_chatroom"
