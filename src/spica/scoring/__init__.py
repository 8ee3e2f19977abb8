"""Scoring: matching, the competition score and its relatives, average precision, counting errors."""
