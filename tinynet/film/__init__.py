"""The film: a whole fit as one page, which plays, and opens at any moment as a microscope step.

`callbacks.Film` records it. Reading order: `schedule` (when a frame is taken), `watch` (what it
holds), `pictures` (outputs and units as pictures), `moments` (steps that open), `page`. The page's
scripts, after the microscope's `arrays.js`: `film.js` (frames, time, keys), `curves.js`,
`pictures.js`, `layers.js`, `moments.js`.
"""
