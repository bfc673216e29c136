"""Lightning data modules: from tables to batches."""
