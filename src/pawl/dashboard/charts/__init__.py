"""Charts as SVG and as tables, from values alone: nothing here reads a store, a clock or a file."""
