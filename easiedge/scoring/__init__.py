"""How important each unit is."""
