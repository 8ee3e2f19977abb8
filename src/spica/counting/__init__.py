"""Counting: from boxes to heads per photo, plot and square metre, with intervals."""
