"""The gateway's speed, measured on this machine: for `recado bench`, and for `benchmarks/`."""
