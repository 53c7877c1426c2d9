"""Schedules: what is sent by the clock, once or again and again."""
