"""From a cell to what it holds: pixels, waves, frames."""
