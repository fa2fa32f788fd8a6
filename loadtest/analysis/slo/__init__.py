"""A run held to its objectives."""
