"""The type checker that tests run with: beartype, for which an int may stand where a float is declared (PEP 484)."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
