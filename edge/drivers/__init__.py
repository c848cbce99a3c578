"""Device drivers: one module per kind of hardware, found by name through the entry points `linli_edge_drivers`."""
