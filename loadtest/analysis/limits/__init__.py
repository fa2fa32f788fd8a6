"""Rate limits: which one a server keeps, and how well it keeps the one that was declared. Pure."""
