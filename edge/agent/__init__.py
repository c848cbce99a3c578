"""The agent at work: its devices, its one loop, and what it keeps in order."""
