"""What the encoders see by default: descriptions that download nothing."""
