"""Hydra groups: every folder is a seam, every file a choice."""
