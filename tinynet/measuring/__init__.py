"""How fast a model trains here: on which device, at which batch size, and what was found before.

From the top: `choice` (device="auto"), `sweep` (rounds in which devices take turns, after they have
proved that they compute the same), `subject` (a copy of a model that is trained for it), `store`
(results kept on disk); `results`, `tables`, `plot` show them, the batch-size bench of `benches/`
among them.
"""
