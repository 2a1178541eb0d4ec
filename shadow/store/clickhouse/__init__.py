"""ClickHouse: where the rows of many pods meet.

The modules in the order in which data flows:

    schema      its tables, as named migrations
    encoding    rows of SQLite → RowBinary: pure
    errors      what a server's refusal means
    client      the HTTP interface
    migrations  brings a server to this release's schema, or says that it cannot be used
    sql         values in the text of a query
    queries     the statements that add a scope up
    sums        a scope, added up there
    aggregates  the sums that a report is computed from
    surveys     what the inventory counts
    export      rows as other programs get them
    erase       removes a tenant

The SQL is what a server of 2018 (18.16) and a current one both take.
"""
