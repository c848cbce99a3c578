"""The demo: broker, hub and a simulated community on loopback, and the story of how things get fixed."""
