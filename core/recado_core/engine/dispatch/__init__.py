"""Handing due messages over to providers, and settling what becomes of each call."""
