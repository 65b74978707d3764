"""What runs leave behind for `eventnet why`, and how soon it answers."""
