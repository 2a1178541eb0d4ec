"""Pure: sums over stored rows → a comparison with verdicts → text, Markdown, JSON and CSV.

The modules in the order in which figures flow:

    totals       what a report is computed from, and what it is asked for
    gathering    rows of sums as an engine gives them → totals
    quantiles    out of histograms
    estimates    weighted means, ratios, shares and quantiles with their intervals; when there is too little to say any
    accounts     what the primary carried and what it cost, segment by segment
    coverage     what became of the exchanges; what no pair speaks for
    costs        what a move would change, each subject by itself: what is paid,
    latencies    how long it takes,
    reliability  how much fails,
    answers      what is answered
    gates        the margins within which a difference does not matter
    verdicts     better, worse, equivalent or inconclusive, from the interval beside the margin
    comparison   all of it, candidate by candidate and segment by segment
    oddities     what was odd about answers, in words
    examples     pairs that disagree, as they were kept: of no use but to look at
    judgement    verdicts in words, and what did not hold
    as_json      the comparison for programs,
    as_csv       and for spreadsheets
    text         the comparison for people, in a terminal,
    as_markdown  and to paste into an issue or a page; both are made of what follows
    brief        one candidate on half a screen
    overall      one candidate beside the primary over the whole scope
    segments     what is broken down, as tables
    names        segments by name
    figures      figures as cells of a table; letters for what is not known
    layout       text in columns
"""
