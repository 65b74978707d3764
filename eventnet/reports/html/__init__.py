"""A run as one HTML file that needs nothing else: no network, no other file, only a browser.

    run directory -> `raster`, `costs`, `answers`, `drawing` (plain data) -> `page` (one text)

The page's own parts are `page.html`, `page.css` and `page.js` in this folder; docs/report.md says how to use it.
"""
