"""Who is replayed, to whom and how: decided purely, then performed."""
