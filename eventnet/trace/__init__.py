"""What happened: events as they are recorded, stored, and asked for again."""
