"""Networks, their units, gates and costs."""
