"""Pure: what the traffic uses, counted by the store → the migration's inventory → text, Markdown, JSON, CSV.

The modules in the order in which facts flow:

    facts          what a store counts: calls by model, prompt size, tenant, feature and key; replays by feature
    rules          what a fact means for the move
    document       sections, columns and rows: the one shape that every format is made from
    models         which models, with which prompts, how patiently waited for
    callers        tenants, features of the product, and keys
    billing        tokens, where costs come from, and what only OpenRouter does
    compatibility  what candidates took, refused and never saw
    inventory      all sections together
    wording        how one value reads, for people and for programs
    text           the document for a terminal
    as_markdown    for a wiki
    as_json        for programs
    as_csv         for a spreadsheet
"""
