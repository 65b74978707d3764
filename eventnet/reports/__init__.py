"""What a run says to people and to other programs: summaries, tables, CSV, JSON lines, progress."""
