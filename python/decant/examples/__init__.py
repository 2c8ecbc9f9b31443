"""Examples to copy and change; each also runs as `python -m decant.examples.NAME`."""
