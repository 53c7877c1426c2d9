"""Bringing events to the sinks."""
