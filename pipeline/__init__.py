"""The dataflow: data sets, models, stores, stages, the runner and the ledger."""
