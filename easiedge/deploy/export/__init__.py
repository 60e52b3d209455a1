"""Networks in the formats of engines, each run and compared with the artifact."""
