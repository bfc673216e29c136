"""Lightning data modules: tables in, batches out."""
