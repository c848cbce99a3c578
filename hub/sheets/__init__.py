"""The registry as a sheet (CSV) and a map (GeoJSON): written, read, imported."""
