"""The report of a sweep as one HTML page, with verdicts and figures beside it; or of a run.

make         writes all files of a report: `report`
run_page     the page of a single run
page         the page of sweeps, from its template, style and script
interactive  the data that the page's script draws
tables       verdicts and numbers as HTML
overview     the top of a page of several grids
"""
