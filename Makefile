# The logic stands in bootstrap.py; without make, run `python3 bootstrap.py demo` and so on.
# Arguments go through ARGS: make demo ARGS=--once, make test ARGS="tests/core -x"

PYTHON ?= python3

.PHONY: demo test install format constraints clean

demo test install format constraints clean:
	@$(PYTHON) bootstrap.py $@ $(ARGS)
