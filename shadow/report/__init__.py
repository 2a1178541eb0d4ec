"""Pure: sums over stored rows → a comparison → text and JSON.

The modules in the order in which figures flow:

    totals       what a report is computed from, and what it is asked for
    estimates    weighted means, intervals, quantiles; when there is too little to say anything
    accounts     what the primary carried and what it cost, segment by segment
    comparison   what a move would change, candidate by candidate
    as_json      the comparison for programs
    text         the comparison for people, with `overall`, `segments`, `figures` and `layout` under it
"""
