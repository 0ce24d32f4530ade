"""What only the head that writes text needs."""
