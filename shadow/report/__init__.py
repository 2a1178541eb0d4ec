"""Pure: aggregates of stored rows → a comparison → text and JSON."""
