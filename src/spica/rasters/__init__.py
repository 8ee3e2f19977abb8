"""Rasters: orthomosaics larger than memory, read in windows; heads with coordinates, and counts of plots."""
