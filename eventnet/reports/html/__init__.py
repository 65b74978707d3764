"""A run as one HTML file that needs nothing else: no network, no other file, only a browser.

    run directory -> `raster`, `costs`, `answers`, `reasons`, `drawing` (plain data) -> `page` (one text)

`reasons` are the answers of `eventnet why`, found by `eventnet.why.walk`. The page's own parts are `page.html`,
`page.css`, `page.js` and `why.js` in this folder; docs/report.md says how to use it.
"""
