"""One module for each page: what it shows, read from the ledger, the signals and the place, for a template."""
