"""Rows and their queries, in SQLite and in ClickHouse.

The modules in the order in which rows are written, deleted and read:

    schema       the tables, as named migrations
    summed       the part of them that is summed up while rows are written
    migrations   brings a database to this release's schema, or says that it cannot be used
    errors       what can go wrong with a store
    limits       its bounds, each with its reason
    files        a database's files: made private, opened, or set aside
    hold         one recorder a store
    sqlite       `SQLiteStore`, through which the recorder keeps exchanges and replays
    rows         records ↔ rows: pure
    ids          exchange ids ↔ 16 bytes: pure
    buckets      durations as log-spaced buckets: pure
    bodies       what is kept of prompts and answers
    spend        what each arm has spent of its budget on each UTC day
    adding       adds rows, and counts them
    writes       what waits to be committed, and the statements that write it
    database     the file, through the one connection that writes to it
    writer       one task and one thread, through which everything is written
    outbox       what has yet to be shipped to ClickHouse
    retention    deletes old rows in small steps
    cap          keeps a database within a number of bytes
    reserve      room on the disk for the day when it is full
    erasure      removes a tenant
    overwriting  has what deleted rows left in the files overwritten, a step at a time,
    scrub        by this program, in a process of its own
    reading      connections that read beside whoever is writing, and change nothing
    integrity    every page and row, checked
    client_keys  which API keys clients have used
    stored       kept prompts with their facts: what a later replay begins with
    source       where a report is read from: one pod's file, or ClickHouse
    engines      how a scope is added up, whatever the engine
    queries      the statements that add it up inside SQLite
    sums         a scope, added up there
    aggregates   the sums that a report is computed from
    examples     pairs that disagree, out of what is kept of bodies
    surveys      what the inventory counts, inside either engine
    export       rows as other programs get them
    clickhouse   where the rows of many pods meet: the same questions, answered there
"""
