"""The wire contract between nodes and a hub: what is said over MQTT, and nothing that opens a connection."""
