"""What can go wrong on order, so that each detector of the tool can be proved in both directions.

A fault is ordered by a line of text (`orders`), as `ack-drop:every=10`; the table of them is `kinds`. The `Script` of a
server says for each occasion whether one is due, and counts what was done. The faults themselves sit where the server
has a seam: `delivery` (what leaves for a message), `answers` (its stream; pure), `limits`, `connections`, and `losses`
(of all connections at a moment). `control` takes orders while the server runs.
"""
