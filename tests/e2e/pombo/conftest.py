"""Keeps this plugin's tests for the environment in which it is installed from its wheel."""

collect_ignore = ["tests"]
