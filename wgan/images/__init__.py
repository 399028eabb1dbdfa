"""What people look at: grids, curves, animations."""
