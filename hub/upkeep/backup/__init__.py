"""Backups of a hub: taken while it runs, sealed, read back, restored."""
