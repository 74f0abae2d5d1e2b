"""The report: a static site written from the tables of a run, that opens from disk and needs no network."""
